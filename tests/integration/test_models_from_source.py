"""What is written without torch answers as what torch, transformers and scikit-learn make of the same weights.

`make models-from-source` makes theirs, and .ci/run does that beside the tests, of which these come last; without them
they are skipped.
"""

from pathlib import Path

import numpy as np
import pytest

from encoders.export import audio, image, text
from encoders.export.checks import ANSWERS, Answers, asked, difference, recorded
from encoders.models.manifest import source_folder_of, verify
from encoders.models.provision import export_lock
from tests.support.brokers import CACHE
from tests.support.models import chirp, made_up_frames, real_models

pytestmark = pytest.mark.slow

SOUNDS = [*audio.samples(), (np.stack([chirp(3), 0 * chirp(3)]),)]
MODELS = {  # by file: its ports, further calls, and how far a value may be away
    text.FILE: (text.INPUTS, text.OUTPUTS, [*text.samples()], 1e-5),
    image.FILES["fp32"]: (image.INPUTS, image.OUTPUTS, [*image.samples(), (made_up_frames(3),)], 2e-5),
    image.FILES["int8"]: (image.INPUTS, image.OUTPUTS, [*image.samples(), (made_up_frames(3),)], 0.5),
    audio.FILE: (audio.INPUTS, audio.OUTPUTS, SOUNDS, 1e-5),
    audio.WHOLE: (audio.INPUTS, audio.OUTPUTS, SOUNDS, 1e-5),
}
COPIED = ("toxicity.json", "toxicity.npy", "labels.json", "tokenizer.json", "nudity-320n.onnx", "audio_directions.npy")


@pytest.fixture(scope="module")
def source() -> Path:
    """What `make models-from-source` made; where it is under way, its end is waited for."""
    with export_lock(CACHE.settings.cache_dir, lambda _: None):
        pass
    folder = source_folder_of(CACHE.settings.cache_dir)
    if not folder.exists():
        pytest.skip("the models from source are not there; `make models-from-source` makes them")
    verify(folder)
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_written_without_torch_answers_as_torchs_export(source: Path, name: str) -> None:
    inputs, outputs, calls, most = MODELS[name]
    ours, theirs = (asked(folder / name, inputs, outputs, calls) for folder in (real_models(), source))
    assert difference(ours, theirs) <= most
    assert all(np.abs(array).max() > 0.1 for array in ours.values())  # silence and grey answer something, too


def test_what_the_originals_answered_is_what_is_recorded(source: Path) -> None:
    found: Answers = dict(np.load(source / ANSWERS.name, allow_pickle=False))
    assert found.keys() == recorded().keys()
    for name, array in found.items():
        most = MODELS[name.split()[0]][3] if name.split()[0] in MODELS else 1e-9
        assert np.abs(array - recorded()[name]).max() <= most, name


@pytest.mark.parametrize("name", COPIED)
def test_what_is_no_graph_is_the_same_to_the_byte(source: Path, name: str) -> None:
    assert (source / name).read_bytes() == (real_models() / name).read_bytes()


def test_the_projection_spans_the_space_that_is_fitted_anew(source: Path) -> None:
    ours, fitted = (np.load(folder / text.PROJECTION) for folder in (real_models(), source))
    assert ours.shape == fitted.shape and np.abs(ours - fitted).max() < 1e-3
    assert np.linalg.svd(ours.T @ fitted, compute_uv=False).min() > 1 - 1e-5  # cosine of the largest angle between them


def test_a_graph_of_other_weights_is_seen(source: Path, tmp_path: Path) -> None:
    content = (real_models() / audio.FILE).read_bytes()
    changed = bytearray(content)
    middle = len(content) // 2
    changed[middle : middle + 4000] = bytes(4000)  # a thousand weights are zero
    (tmp_path / audio.FILE).write_bytes(changed)
    inputs, outputs, calls, most = MODELS[audio.FILE]
    ours, theirs = (asked(folder / audio.FILE, inputs, outputs, calls) for folder in (tmp_path, source))
    assert difference(ours, theirs) > most
