"""Where the settings come from: flags, FRESHET_* variables, a TOML file and defaults, in this order of authority."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from schemas.settings.model import SECRETS, Settings

ENVIRONMENT_PREFIX = "FRESHET_"
FILE_NAME = "freshet.toml"
RENAMED = {"letters_alarm": "dead_letter_alarm_ratio"}  # former keys, which are understood for one more release
OTHER_VARIABLES = frozenset(("FRESHET_CONFIG", "FRESHET_DEBUG", "FRESHET_TEST_DATA"))  # read elsewhere

Source = Literal["flag", "environment", "file", "default"]


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its place and what to do."""


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key where its value came from."""

    settings: Settings
    sources: Mapping[str, Source]
    notices: tuple[str, ...] = ()  # one sentence for each setting that was given by its former name

    def shown(self) -> dict[str, dict[str, object]]:
        """Value and source by key as they may be printed: secrets masked."""
        values = self.settings.model_dump(mode="json")  # pydantic masks SecretStr here
        return {key: {"value": values[key], "source": self.sources[key]} for key in values}


def load(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None) -> Loaded:
    """Merge flags over environment over file over defaults.

    A flag of None was not given. Raises SettingsError for an unknown key or a value that cannot be used.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    layers: list[tuple[Source, Mapping[str, object]]] = [
        ("default", dict(_folders(environ))),
        ("file", _from_file(file) if file else {}),
        ("environment", dict(_from_environment(environ))),
        ("flag", given),
    ]
    notices = tuple(notice for source, layer in layers for notice in _notices(source, layer, file))
    values: dict[str, object] = {}
    sources: dict[str, Source] = dict.fromkeys(Settings.model_fields, "default")
    for source, layer in layers:
        current = _by_current_names(layer)
        values.update(current)
        sources.update(dict.fromkeys(current, source))
    try:
        return Loaded(Settings(**values), sources, notices)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError(" ".join((*notices, _sentence(error, sources, file)))) from None


def settings_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    """Find the TOML file: what FRESHET_CONFIG names, else `freshet.toml` in the folder, else None."""
    if named := environ.get("FRESHET_CONFIG"):
        return Path(named).expanduser()
    here = folder / FILE_NAME
    return here if here.is_file() else None


def _by_current_names(layer: Mapping[str, object]) -> dict[str, object]:
    """The same values; where a setting is given by both names, the current one counts."""
    former = {RENAMED[key]: value for key, value in layer.items() if key in RENAMED}
    return former | {key: value for key, value in layer.items() if key not in RENAMED}


def _notices(source: Source, layer: Mapping[str, object], file: Path | None) -> Iterator[str]:
    for key in sorted(layer.keys() & RENAMED.keys()):
        former, current = (_place(name, source, file) for name in (key, RENAMED[key]))
        yield f"{former} is now {current}; the former name is understood for one more release."


def _folders(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """XDG base directories, where they are set; the specification has relative ones ignored."""
    for key, variable in (("data_dir", "XDG_DATA_HOME"), ("cache_dir", "XDG_CACHE_HOME")):
        base = Path(environ.get(variable, ""))
        if base.is_absolute():
            yield key, base / "freshet"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        key = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if key in Settings.model_fields or key in RENAMED:
            yield key, environ[variable]
        elif (secret := key.removesuffix("_file")) in SECRETS:
            yield secret, _read(Path(environ[variable]), variable).strip()
        else:
            nearest = ENVIRONMENT_PREFIX + _nearest(key).upper()
            raise SettingsError(f"{variable} is no setting; the nearest one is {nearest}. Rename it.")


def _from_file(file: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(_read(file, "settings file"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{file} is not TOML: {error}. Write lines like: partitions = 8") from None
    for key in values:
        if key not in Settings.model_fields and key not in RENAMED:
            raise SettingsError(f"{file}: {key} is no setting; the nearest is {_nearest(key)}. Rename it.")
    return values


def _read(path: Path, named_by: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{named_by}: {path} cannot be read ({why}). Correct the path.") from None


def _nearest(key: str) -> str:
    return get_close_matches(key, sorted(Settings.model_fields), n=1, cutoff=0.0)[0]


def _sentence(error: ValidationError, sources: Mapping[str, Source], file: Path | None) -> str:
    """Say for the first bad value where it stands, what it is and what is needed; never a secret's value."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    key = str(first["loc"][0])
    if key not in Settings.model_fields:
        return f"{key} is no setting; the nearest one is {_nearest(key)}."
    place = _place(key, sources[key], file)
    value = "the value" if key in SECRETS else repr(first["input"])
    need = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{place} cannot be {value}: {need} ({Settings.model_fields[key].description})."


def _place(key: str, source: Source, file: Path | None) -> str:
    """Where a setting is given, as the operator wrote it."""
    return {
        "flag": f"--{key.replace('_', '-')}",
        "environment": ENVIRONMENT_PREFIX + key.upper(),
        "file": f"{key} in {file}",
        "default": f"the default of {key}",
    }[source]
