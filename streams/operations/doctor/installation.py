"""Python, the installed packages, the models and where they run."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from encoders.base import ModelError
from encoders.modalities.configured import modalities_of
from encoders.modalities.opened import opened
from encoders.models.manifest import WITHOUT_SPEECH, folder_of, has_speech, verify_for
from encoders.models.session import lack_of_cuda
from ranker.pipeline.kernel import switch
from schemas.settings.model import Settings
from streams.operations.doctor.finding import Finding, fail, ok, warn

OLDEST = (3, 11)
ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
PIN = re.compile(r"([A-Za-z0-9_.-]+)==([\w.]+)$")
BUILD = "python -m ranker.pipeline.kernel.build"
EXPORT = "Run `freshet export`."
SPEECH = "Run `freshet export`, with FRESHET_MODELS from a bundle that has it."

Version = Callable[[str], str]  # of an installed package; raises PackageNotFoundError


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Iterator[Finding]:
    """Python itself."""
    text = ".".join(map(str, version))
    if tuple(version[:2]) < OLDEST:
        yield fail("python", f"this is Python {text}", "Install Python 3.11 or newer.")
    elif sys.maxsize < 2**32:
        yield fail("python", f"this Python {text} has 32 bits", "Install one with 64 bits: onnxruntime has no other.")
    else:
        yield ok("python", f"Python {text}")


def check_packages(version_of: Version = metadata.version) -> Iterator[Finding]:
    """The packages that have to be there in one version, and onnxruntime, of which there may be one alone."""
    found, faults = [name for name in ONNXRUNTIMES if _installed(name, version_of)], list[Finding]()
    if len(found) > 1:
        both = " and ".join(found)
        remedy = f"pip uninstall {' '.join(found)}, then install Freshet again: it asks for the one that fits."
        faults.append(fail("packages", f"{both} are installed, and overwrite each other's files", remedy))
    for name, wanted in _pins():
        there = _installed(name, version_of)
        if there != wanted:
            said = f"{name} is {there or 'missing'}, wanted {wanted}"
            faults.append(fail("packages", said, "Install from the lock again."))
        found.append(name)
    yield from faults
    if not faults:
        yield ok("packages", ", ".join(f"{name} {_installed(name, version_of)}" for name in found))


def check_kernel(settings: Settings, is_built: bool = switch.IS_BUILT) -> Iterator[Finding]:
    """Whether ranking's loops run compiled."""
    if settings.kernel == "off":
        yield ok("kernel", "ranking's loops run in NumPy: FRESHET_KERNEL=off")
    elif is_built:
        yield ok("kernel", "ranking's loops are compiled")
    else:
        yield ok("kernel", f"ranking's loops run in NumPy, which takes more CPU: `{BUILD}` compiles them")


def check_models(settings: Settings) -> Iterator[Finding]:
    """Model files by the hashes of their manifest."""
    folder = folder_of(settings.cache_dir)
    try:
        files = verify_for(folder, settings.text_model)
    except ModelError as error:
        yield fail("models", str(error), EXPORT)
    else:
        size = sum(file.bytes for file in files) / 1e6
        yield ok("models", f"{len(files)} files, {size:.0f} MB, as the manifest in {folder} says")
        if not has_speech(folder):
            yield warn("models", f"{folder} lacks the speech detector, {WITHOUT_SPEECH}", SPEECH)


def check_providers(settings: Settings, lack: Callable[[], str | None] = lack_of_cuda) -> Iterator[Finding]:
    """Where each encoder really runs: all are opened, and run once."""
    missing = lack()
    if settings.provider == "cuda" and missing:
        remedy = "Install Freshet with its extra `gpu` on a machine with an NVIDIA driver, or set FRESHET_PROVIDER=cpu."
        yield fail("providers", f"FRESHET_PROVIDER is cuda, but {missing}", remedy)
        return
    for modality in modalities_of(settings):
        try:
            provider = getattr(opened(modality), "provider", "cpu")
        except ModelError as error:
            yield fail("providers", f"{modality.name}: {error}", EXPORT)
            continue
        if provider == "cpu" and missing is None and _wants_gpu(settings, modality.name):
            remedy = "Compare the CUDA of onnxruntime with that of the driver (nvidia-smi): docs/content.md."
            yield warn("providers", f"{modality.name} runs on the CPU, although there is an NVIDIA driver", remedy)
        else:
            yield ok("providers", f"{modality.name} runs on {provider}")


def _wants_gpu(settings: Settings, modality: str) -> bool:
    is_for_cpu = modality == "image" and settings.image_precision == "int8"
    return settings.provider == "auto" and not is_for_cpu


def _installed(name: str, version_of: Version) -> str:
    try:
        return version_of(name)
    except metadata.PackageNotFoundError:
        return ""


def _pins() -> Iterator[tuple[str, str]]:
    for requirement in metadata.requires("freshet") or ():
        if (found := PIN.match(requirement.split(";")[0].strip())) and "extra" not in requirement:
            yield found[1], found[2]
