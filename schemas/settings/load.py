"""Where the settings come from: flags, FRESHET_* variables, a TOML file and defaults, in this order of authority.

Everything that is wrong is collected, so that `freshet config show` can show it beside what is right.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from schemas.settings.model import SECRETS, Settings

ENVIRONMENT_PREFIX = "FRESHET_"
FILE_NAME = "freshet.toml"
RENAMED = {"letters_alarm": "dead_letter_alarm_ratio"}  # former keys, which are understood for one more release
OTHER_VARIABLES = frozenset(  # read elsewhere
    ("FRESHET_CONFIG", "FRESHET_DEBUG", "FRESHET_TEST_DATA", "FRESHET_TEST_ENGINE", "FRESHET_TEST_QDRANT")
)

_BEFORE_HOST = re.compile(r"//[^/\s]*@")

Source = Literal["flag", "environment", "file", "default"]
Faults = dict[str, str]  # a sentence by key, or by the name as it was given where it is no setting's


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its place and what to do."""


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key where its value came from.

    notices  one sentence for each setting that was given by its former name
    faults   what cannot be used; `settings` has the default instead
    given    what was given and cannot be used, by key, as far as it may be printed
    """

    settings: Settings
    sources: Mapping[str, Source]
    notices: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, object] = field(default_factory=dict)

    def shown(self) -> dict[str, dict[str, object]]:
        """Value and source by key as they may be printed, secrets masked, and beside what is wrong a sentence."""
        values = self.settings.model_dump(mode="json") | dict(self.given)  # pydantic masks SecretStr here
        values = {key: without_password(value) if isinstance(value, str) else value for key, value in values.items()}
        shown: dict[str, dict[str, object]] = {
            key: {"value": value, "source": self.sources[key]} for key, value in values.items()
        }
        for name, fault in self.faults.items():
            shown.setdefault(name, {"value": None, "source": None})["fault"] = fault
        return shown


@dataclass
class Given:
    """What the layers say, before anybody has looked at the values."""

    values: dict[str, object] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=lambda: dict.fromkeys(Settings.model_fields, "default"))
    faults: Faults = field(default_factory=dict)

    def add(self, source: Source, layer: Mapping[str, object]) -> None:
        """Put a layer over those before it."""
        current = _by_current_names(layer)
        self.values.update(current)
        self.sources.update(dict.fromkeys(current, source))


def load(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None) -> Loaded:
    """Merge flags over environment over file over defaults.

    A flag of None was not given. Raises SettingsError for an unknown key or a value that cannot be used.
    """
    loaded = inspect(flags, environ, file)
    if loaded.faults:
        first, *others = loaded.faults.values()
        more = [f"{len(others)} more {'is' if len(others) == 1 else 'are'} wrong."] if others else []
        raise SettingsError(" ".join((*loaded.notices, first, *more)))
    return loaded


def inspect(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None) -> Loaded:
    """The same, with what is wrong among the result instead of a SettingsError."""
    given = Given()
    layers: list[tuple[Source, Mapping[str, object]]] = [
        ("default", dict(_folders(environ))),
        ("file", _from_file(file, given.faults) if file else {}),
        ("environment", _from_environment(environ, given.faults)),
        ("flag", {key: value for key, value in flags.items() if value is not None}),
    ]
    for source, layer in layers:
        given.add(source, layer)
    notices = tuple(notice for source, layer in layers for notice in _notices(source, layer, file))
    settings, wrong = _checked(given, file)
    shown = {
        key: "**********" if key in SECRETS else _printable(given.values[key]) for key in wrong & given.values.keys()
    }
    return Loaded(settings, given.sources, notices, given.faults, shown)


def settings_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    """Find the TOML file: what FRESHET_CONFIG names, else `freshet.toml` in the folder, else None."""
    if named := environ.get("FRESHET_CONFIG"):
        return Path(named).expanduser()
    here = folder / FILE_NAME
    return here if here.is_file() else None


def _checked(given: Given, file: Path | None) -> tuple[Settings, set[str]]:
    """Settings of all values that can be used, and the keys of the others, which are among the faults now."""
    values, wrong = dict(given.values), set[str]()
    while True:
        try:
            return Settings(**values), wrong  # type: ignore[arg-type]  # pydantic checks the values
        except ValidationError as error:
            details = error.errors(include_url=False)
        except RuntimeError:  # no default for the folders
            remedy = "Set FRESHET_DATA_DIR and FRESHET_CACHE_DIR."
            raise SettingsError(f"This user has no home folder. {remedy}") from None
        contradiction = not details[0]["loc"]
        for one in details:
            keys = set(_keys_in(one))
            if not (contradiction and wrong):  # else it may follow from what was left out
                given.faults.setdefault(next(iter(sorted(keys))), _sentence(one, given.sources, file))
            wrong |= keys
            for key in keys:
                values.pop(key, None)


def _keys_in(error: Mapping[str, Any]) -> list[str]:
    """The settings that an error is about: a contradiction names them in its sentence."""
    if error["loc"]:
        return [str(error["loc"][0])]
    named = [name.lower() for name in re.findall(r"FRESHET_([A-Z_]+)", error["msg"])]
    return [name for name in named if name in Settings.model_fields] or [*Settings.model_fields]


def without_password(text: str) -> str:
    """An address without what stands before its host.

    >>> without_password("redis://:swordfish@store:6379/0")
    'redis://**********@store:6379/0'
    """
    return _BEFORE_HOST.sub("//**********@", text)


def _printable(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)


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


def _from_environment(environ: Mapping[str, str], faults: Faults) -> dict[str, object]:
    values: dict[str, object] = {}
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        key = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if key in Settings.model_fields or key in RENAMED:
            values[key] = environ[variable]
        elif (secret := key.removesuffix("_file")) in SECRETS and secret != key:
            values |= _secret_in(environ, variable, secret, faults)
        else:
            nearest = ENVIRONMENT_PREFIX + _nearest(key).upper()
            faults[variable] = f"{variable} is no setting; the nearest one is {nearest}. Rename it."
    return values


def _secret_in(environ: Mapping[str, str], variable: str, secret: str, faults: Faults) -> dict[str, object]:
    """A secret that lies in a file of its own."""
    if environ.get(variable.removesuffix("_FILE")):
        faults[variable] = f"{variable.removesuffix('_FILE')} and {variable} are both given. Leave one of them out."
        return {}
    try:
        text = _read(Path(environ[variable]).expanduser(), variable).strip()
    except SettingsError as error:
        faults[variable] = str(error)
        return {}
    if not text:
        faults[variable] = f"{variable}: {environ[variable]} is empty. Write the secret into it."
    return {secret: text}


def _from_file(file: Path, faults: Faults) -> dict[str, object]:
    try:
        values = tomllib.loads(_read(file, "settings file"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        faults[str(file)] = f"{file} is not TOML: {error}. Write lines like: partitions = 8"
        return {}
    except SettingsError as error:
        faults[str(file)] = str(error)
        return {}
    for key in [key for key in values if key not in Settings.model_fields and key not in RENAMED]:
        faults[key] = f"{file}: {key} is no setting; the nearest is {_nearest(key)}. Rename it."
        del values[key]
    return values


def _read(path: Path, named_by: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{named_by}: {path} cannot be read ({why}). Correct the path.") from None


def _nearest(key: str) -> str:
    return get_close_matches(key, sorted(Settings.model_fields), n=1, cutoff=0.0)[0]


def _sentence(error: Mapping[str, Any], sources: Mapping[str, Source], file: Path | None) -> str:
    """Say of a bad value where it stands, what it is and what is needed; never a secret's value."""
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    key = str(error["loc"][0])
    if key not in Settings.model_fields:
        return f"{key} is no setting; the nearest one is {_nearest(key)}."
    place = _place(key, sources[key], file)
    value = "the value" if key in SECRETS else without_password(repr(error["input"]))
    need = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{place} cannot be {value}: {need} ({Settings.model_fields[key].description})."


def _place(key: str, source: Source, file: Path | None) -> str:
    """Where a setting is given, as the operator wrote it."""
    return {
        "flag": f"--{key.replace('_', '-')}",
        "environment": ENVIRONMENT_PREFIX + key.upper(),
        "file": f"{key} in {file}",
        "default": f"the default of {key}",
    }[source]
