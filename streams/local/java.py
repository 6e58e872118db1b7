"""What Java is told about text: its property files, and the locale in which it reads the names of files; which Java."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# A folder's name that is not ASCII can only be opened in a UTF-8 locale, and some locales have letters of their own
# for the lower case of ASCII (Turkish).
LOCALE = {"LC_ALL": "C.UTF-8"}
OPTIONS = ("-Dsun.jnu.encoding=UTF-8", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")


def java_environment() -> dict[str, str]:
    """This process's environment with a UTF-8 locale."""
    return {**os.environ, **LOCALE}


def archive_of(jars: Path) -> Path:
    """Where the archive of the jars' classes lies for the Java that is on the PATH: another one has its own."""
    java = Path(shutil.which("java") or "java").resolve()
    build = f"{java}:{java.stat().st_mtime_ns if java.exists() else 0}"
    return jars / f"classes-{hashlib.sha256(build.encode()).hexdigest()[:12]}.jsa"


def properties_text(properties: Mapping[str, str]) -> str:
    r"""A property file: Java reads it as ISO 8859-1, so other characters are written as UTF-16 units.

    >>> properties_text({"log.dirs": "/daten/ü"})
    'log.dirs=/daten/\\u00fc\n'
    """
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(text: str) -> str:
    return "".join(_escaped_character(one) for one in text)


def _escaped_character(one: str) -> str:
    if one == "\\":
        return "\\\\"
    if " " <= one <= "~":
        return one
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
