"""Compiles the kernel: `python -m ranker.pipeline.kernel.build`. Where it cannot be, NumPy does the same."""

import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from ranker.pipeline.kernel.version import FILE, FOLDER, SOURCES, version

# No fused operations, and none in another order: each is rounded as NumPy rounds it.
OPTIONS = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
SHARED = {"Darwin": ("-bundle", "-undefined", "dynamic_lookup")}
WITHOUT = "ranking goes on without its compiled kernel, with the same slates and more CPU"


class BuildError(Exception):
    """The kernel cannot be compiled here; the message says why, in a sentence."""


def compiler() -> list[str]:
    """The command of a C compiler; BuildError where there is none, or no Python.h."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise BuildError(f"no Python.h in {header.parent} (Debian, Ubuntu: apt-get install python3-dev)")
    for command in (sysconfig.get_config_var("CC") or "", "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    raise BuildError("no C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev; macOS: xcode-select --install)")


def build(folder: Path = FOLDER) -> Path:
    """Compile the kernel into a folder; BuildError says why it cannot be."""
    made, unfinished = folder / FILE, folder / f".{FILE}"
    shared = SHARED.get(platform.system(), ("-shared",))
    command = [*compiler(), *OPTIONS, *shared, f"-DFRESHET_KERNEL={version()}", "-I", sysconfig.get_path("include")]
    files = ["-o", str(unfinished), *map(str, SOURCES), "-lm"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        unfinished.unlink(missing_ok=True)
        raise BuildError(f"the C compiler failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[0]}")
    unfinished.replace(made)  # a process that has loaded the one before keeps it
    return made


def main() -> None:
    """Compile it beside its sources, or say in a sentence why not; what depends on it runs either way."""
    try:
        build()
    except BuildError as error:
        sys.stderr.write(f"no compiled kernel: {error}; {WITHOUT}\n")


if __name__ == "__main__":
    main()
