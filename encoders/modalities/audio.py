"""Sound to one vector and to musical tags: musicnn, without TensorFlow or torch."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from encoders.annotate.labels import labels_of
from encoders.base import Classified, TextModelName, Vectors, unit_rows
from encoders.fusion.projection import read_directions
from encoders.modalities.batching import means, run
from encoders.modalities.modality import Description, LabelRule, Modality, ModalityContext, Scale
from encoders.modalities.speech import SpeechDetector
from encoders.models.manifest import MODELS, SPEECH_FOLDER, has_speech, read
from encoders.models.session import Port, Provider, open_model

RATE = 16_000  # samples a second
PATCH = 3 * RATE  # what the model was trained on
PATCHES = 3  # of a video; three cost as much as two frames
# root mean square of a patch, -80 dB of full scale: noise or a tone that weak has the vector of digital silence (cosine
# 0.9998 and more; at -60 dB 0.94 and more), which is near to rock
SILENCE = 1e-4
DIM = 200
LABELS = 50  # of the Million Song Dataset
FILE = "audio-musicnn.onnx"  # without the filters that its training left at zero
WHOLE = "audio-musicnn.whole.onnx"  # with them: the same answers at six times the cost, for comparison
DIRECTIONS = "audio_directions.npy"  # [200, 32]: the directions by which the tagger tells its tags apart
DIRECTIONS_DIM = 32
INPUTS = (Port("pcm", "float32", (None, PATCH)),)
OUTPUTS = (Port("audio_vec", "float32", (None, DIM)), Port("audio_tags", "float32", (None, LABELS)))
MIN_SHARE = 0.25  # sigmoid; musicnn is cautious: its strongest tag is seldom above 0.5
SPEECH = "speech"  # the label of what is mostly that, in the place of musical tags
MOSTLY = 0.5  # of the detector's mean; seen: 0.73 and more of speech, 0.25 and less of music
PHRASE, DESCRIBING = "{} music", 5  # labels; too few recordings to tell others apart
SAID = "a person speaks"
SCALES: dict[TextModelName, Scale] = {  # fitted by `python -m tests.bench.one_space`
    "minilm": Scale(1.10, 0.111),
    "e5": Scale(1.17, 0.078),
    "multilingual": Scale(1.28, 0.087),
}
ROWS = {"cpu": 1, "cuda": 16}  # patches a call; on the CPU 1 costs the least of 1 to 16; CUDA: 32 no less


def modality(context: ModalityContext) -> Modality[Vectors]:
    """Sound."""
    return Modality(
        name="audio",
        dim=DIM,
        version=f"fp32-{MODELS}",
        read=lambda content: content.sound,
        open=lambda: AudioEncoder(context.folder, provider=context.provider, threads=context.threads),
        labels=LabelRule("audio", MIN_SHARE),
        described=Description(PHRASE, DESCRIBING, SCALES[context.text_model], ((SPEECH, SAID),), SPEECH_FOLDER),
        describes=has_speech(context.folder),
        columns=16,  # a guess, see `Weighted`
        directions=partial(read_directions, context.folder / DIRECTIONS),
        weight=0.5,  # a guess: nothing was tuned
        same=0.97,
    )


class AudioEncoder:
    """Sound to one unit vector: the mean of musicnn's features of three patches (Pons & Serra 2019, arXiv:1909.06654).

    batch   float32 [S] or None; mono, 16 kHz, -1..1
    return  float32 [N, 200], L2 norm 1; None, and silence, get a zero row

    It was trained on songs: it tells kinds of music apart, but labels people who read aloud as hip-hop. So where the
    speech detector hears mostly speech, the only label is `speech`; the vectors do not depend on it. Without the
    detector there is no such label, and so no `audio_text`.
    """

    name = "audio-musicnn"
    dim = DIM

    def __init__(self, folder: Path, *, provider: Provider = "auto", threads: int = 1) -> None:
        self._model = open_model(folder / FILE, provider=provider, threads=threads, inputs=INPUTS, outputs=OUTPUTS)
        self._rows = ROWS[self._model.provider]
        self._speech = SpeechDetector.find(folder)
        names = labels_of(folder, "audio", LABELS)
        self.labels = names if self._speech is None else (*names, SPEECH)
        self.version = f"fp32-{read(folder).key}"
        self.provider = self._model.provider

    def encode(self, batch: Sequence[Vectors | None], /) -> Vectors:
        return self.classify(batch).vectors

    def classify(self, batch: Sequence[Vectors | None], /) -> Classified:
        """The vectors of `encode`, and from the same run float32 [N, 51], the mean of the patches' probabilities.

        Without the detector [N, 50].
        """
        videos = [patches_of(sound) for sound in batch]
        counts = [len(patches) for patches in videos]
        if not any(counts):
            nothing = np.zeros((len(videos), len(self.labels)), np.float32)
            return Classified(np.zeros((len(videos), DIM), np.float32), nothing)
        vectors, tags = run(self._model, videos, self._rows)  # [P, 200], [P, 50] of all patches
        spoken = np.zeros((len(tags), 1), np.float32)  # [P, 1]
        if self._speech is not None:
            spoken[:, 0] = self._speech([patch for patches in videos for patch in patches])
        shares = told_apart(means(tags, counts), means(spoken, counts))[:, : len(self.labels)]
        return Classified(unit_rows(means(vectors, counts)), shares)


def told_apart(tags: Vectors, spoken: Vectors) -> Vectors:
    """Musical tags [N, 50] where it is music, and the share of speech [N, 1] behind them where it is mostly that.

    >>> told_apart(np.array([[0.3], [0.3]], np.float32), np.array([[0.75], [0.25]], np.float32)).round(2).tolist()
    [[0.0, 0.75], [0.30000001192092896, 0.0]]
    """
    is_speech = spoken >= MOSTLY
    return np.concatenate([np.where(is_speech, 0, tags), np.where(is_speech, spoken, 0)], axis=1, dtype=np.float32)


def patches_of(sound: Vectors | None) -> list[Vectors]:
    """Up to three patches float32 [48000] from the middles of equal parts of a sound, without those that are silent.

    A sound of under 3 s is repeated until it fills one, as musicnn's training did; of under 4.5 s it gives one patch,
    of under 7.5 s two. Beginning and end are left out of longer ones: fades and logos are there.

    >>> seconds = np.arange(30 * RATE, dtype=np.float32) / (100 * RATE)
    >>> [round(100 * float(patch[0]), 1) for patch in patches_of(seconds)]
    [3.5, 13.5, 23.5]
    >>> patches_of(np.zeros(RATE, np.float32))
    []
    """
    if sound is None or not len(sound):
        return []
    if sound.dtype != np.float32 or sound.ndim != 1:
        raise ValueError(f"AudioEncoder: got {sound.dtype} {list(sound.shape)} instead of float32 [S].")
    whole = np.resize(sound, PATCH) if len(sound) < PATCH else sound
    count = min(max(round(len(whole) / PATCH), 1), PATCHES)
    middles = [(2 * part + 1) * len(whole) // (2 * count) for part in range(count)]
    starts = [min(max(middle - PATCH // 2, 0), len(whole) - PATCH) for middle in middles]
    cut = np.empty((count, PATCH), np.float32)
    for patch, start in zip(cut, starts, strict=True):
        np.clip(whole[start : start + PATCH], -1, 1, out=patch)
    if np.isnan(cut).any():
        np.nan_to_num(cut, copy=False)
    return [patch for patch in cut if np.sqrt(np.square(patch).mean()) >= SILENCE]
