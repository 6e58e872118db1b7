"""Which tags sounds get, with and without the speech detector: `python -m tests.bench.sounds`.

The recordings and the clip beside the repository, made-up music, and where espeak-ng is installed (Debian's package),
its voice in ten languages, alone and over music. musicnn's tags of what is speech are wrong, whatever they are.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from encoders.annotate.tags import above
from encoders.base import Vectors
from encoders.modalities.audio import MIN_SHARE, RATE, SPEECH, AudioEncoder, patches_of
from encoders.modalities.modality import MAX_LABELS
from encoders.modalities.speech import SpeechDetector
from encoders.models.manifest import SPEECH_FOLDER, folder_of
from tests.bench.ground import Ground
from tests.support.paths import DATA

RECORDINGS, CLIP = DATA / "audio", DATA / "clips/moviepy__big_buck_bunny_0_30.webm"
READ_ALOUD = ("198-209-0000", "3436-172162-0000", "5703-47212-0000")
SECONDS = 60
MADE_S = 12
SPOKEN = {
    "en": "Hello everybody, today I show you how to bake bread at home.",
    "de": "Guten Tag, heute zeige ich euch, wie man zu Hause Brot backt.",
    "es": "Hola a todos, hoy os enseño a hacer pan en casa.",
    "fr": "Bonjour à tous, aujourd'hui je vous montre comment faire du pain.",
    "pt": "Olá pessoal, hoje vou mostrar como fazer pão em casa.",
    "ru": "Всем привет, сегодня я покажу, как испечь хлеб дома.",
    "hi": "नमस्ते, आज मैं आपको घर पर रोटी बनाना सिखाऊँगा।",
    "ar": "مرحبا بكم، اليوم سأريكم كيف نخبز الخبز في البيت.",
    "it": "Ciao a tutti, oggi vi mostro come fare il pane in casa.",
    "vi": "Xin chào mọi người, hôm nay tôi sẽ chỉ cách làm bánh mì.",
}


class Sound(NamedTuple):
    """A sound float32 [S] of 16 kHz, and what it is: speech, music, other, or mixed."""

    kind: str
    samples: Vectors


def read_sound(path: Path) -> Vectors:
    """The first minute, mono, 16 kHz."""
    resampler, parts = av.AudioResampler("fltp", "mono", RATE), list[Vectors]()
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)[: SECONDS * RATE]


def recordings() -> Iterator[tuple[str, Sound]]:
    for path in [*sorted(RECORDINGS.glob("*.ogg")), CLIP]:
        if path.exists():
            other = any(word in path.stem for word in ("bird", "humpback", "bunny"))
            kind = "speech" if path.stem in READ_ALOUD else "other" if other else "music"
            yield path.stem[:40], Sound(kind, read_sound(path))


def made_music() -> dict[str, Vectors]:
    """Beats, chords and a melody of sines, the loudest sample 0.5."""
    t = np.arange(MADE_S * RATE) / RATE
    rng = np.random.default_rng(0)
    kick = np.sin(2 * np.pi * 60 * t) * np.exp(-((t * 2) % 1) * 6)
    beat = kick + 0.4 * rng.standard_normal(len(t)) * np.exp(-((t * 4) % 1) * 20)
    roots = np.array([220, 196, 175, 165])[(t // 2).astype(int) % 4]
    tones = [(third * k, 1 / k) for third in (1, 1.26, 1.5) for k in (1, 2, 3)]
    chords = sum(share * np.sin(2 * np.pi * np.cumsum(roots * times) / RATE) for times, share in tones)
    melody = np.array([262, 294, 330, 349, 392, 440, 494, 523])[(t * 4).astype(int) % 8]
    tune = np.sin(2 * np.pi * np.cumsum(melody) / RATE) * np.exp(-((t * 4) % 1) * 6)
    made = {"beat": beat, "chords": chords, "chords and beat": 0.3 * chords + beat, "melody": tune}
    return {f"made {name}": loudest(samples) for name, samples in made.items()}


def loudest(samples: Vectors) -> Vectors:
    return np.asarray(0.5 * samples / np.abs(samples).max(), np.float32)


def spoken() -> dict[str, Vectors]:
    """espeak-ng's voice; empty where it is not installed."""
    if shutil.which("espeak-ng") is None:
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as aside:
        for language, text in SPOKEN.items():
            path = Path(aside) / f"{language}.wav"
            subprocess.run(["espeak-ng", "-v", language, "-w", path, f"{text} {text}"], check=True)
            found[f"espeak {language}"] = loudest(read_sound(path))
    return found


def sounds() -> dict[str, Sound]:
    music, voices = made_music(), spoken()
    found = dict(recordings())
    found |= {name: Sound("music", samples) for name, samples in music.items()}
    found |= {name: Sound("speech", samples) for name, samples in voices.items()}
    if voices:
        voice = np.resize(voices["espeak en"], MADE_S * RATE)
        for gain in (0.1, 0.3, 1.0):
            mixed = loudest(voice + gain * music["made chords and beat"])
            found[f"espeak en, chords and beat × {gain}"] = Sound("mixed", mixed)
    return found


def told(encoder: AudioEncoder, of: Mapping[str, Sound]) -> Iterator[str]:
    """Markdown: the tags of each sound before and after, then how many of speech and of music are right."""
    yield f"| sound | is | tags before | tags after |\n|{'---|' * 4}"
    wrong, kept = [0, 0], [0, 0]
    detector = encoder._speech
    for name, sound in of.items():
        before, after = (tags_by(encoder, sound.samples, one) for one in (None, detector))
        for place, tags in enumerate((before, after)):
            wrong[place] += sound.kind == "speech" and bool(tags.keys() - {SPEECH})
            kept[place] += sound.kind == "music" and bool(tags.keys() - {SPEECH})
        yield f"| {name} | {sound.kind} | {_tags(before)} | {_tags(after)} |"
    speech, music = (sum(one.kind == kind for one in of.values()) for kind in ("speech", "music"))
    yield f"\nspeech with musical tags: {wrong[0]} of {speech} before, {wrong[1]} after"
    yield f"music with musical tags: {kept[0]} of {music} before, {kept[1]} after"


def tags_by(encoder: AudioEncoder, samples: Vectors, detector: SpeechDetector | None) -> dict[str, float]:
    """The tags of a sound, by musicnn alone or beside the detector."""
    encoder._speech = detector
    return above(encoder.labels, encoder.classify([samples]).shares[0], MIN_SHARE, MAX_LABELS)


def _tags(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in found.items()) or "–"


def ms_a_clip(detector: SpeechDetector, videos: int) -> float:
    """CPU of one thread for each of so many clips of three patches in one batch, the best of five."""
    patches = patches_of(loudest(np.random.default_rng(0).standard_normal(30 * RATE))) * videos
    spent = []
    for _ in range(5):
        began_s = time.process_time()
        detector(patches)
        spent.append(time.process_time() - began_s)
    return min(spent) * 1000 / videos


def main() -> None:
    folder = folder_of(Ground.defaults().cache_dir)
    encoder, detector = AudioEncoder(folder, provider="cpu"), SpeechDetector(folder / SPEECH_FOLDER)
    for line in told(encoder, sounds()):
        print(line)
    print(f"ms of CPU a clip: {ms_a_clip(detector, 1):.1f} alone, {ms_a_clip(detector, 8):.1f} of eight in a batch")


if __name__ == "__main__":
    main()
