"""The settings, from flags, `FRESHET_*` variables, a TOML file and defaults, in this order of authority."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas import access
from schemas.hosts import hosts

ENVIRONMENT_PREFIX = "FRESHET_"
FILE_NAME = "freshet.toml"
OTHER_VARIABLES = frozenset(("FRESHET_CONFIG", "FRESHET_DEBUG", "FRESHET_TEST_DATA"))  # read elsewhere

Source = Literal["flag", "environment", "file", "default"]
Whole = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its place and what to do."""


class Settings(BaseSettings):
    """Everything that can be set; made by `load`, then passed down."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bootstrap: str = Field("127.0.0.1:9092", description="Kafka addresses, host:port, with commas between")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="how Kafka is spoken to"
    )
    kafka_sasl: Literal["", "plain", "scram-sha-256", "scram-sha-512"] = Field(
        "", description="how the password is shown to Kafka"
    )
    kafka_user: str = Field("", description="user at Kafka")
    kafka_password: SecretStr = Field(SecretStr(""), description="the user's password at Kafka")
    kafka_ca: str = Field("", description="PEM file of the authority that signed the brokers' certificates")
    kafka_certificate: str = Field("", description="PEM file with our own certificate")
    kafka_key: str = Field("", description="PEM file with our certificate's key")
    kafka_key_password: SecretStr = Field(SecretStr(""), description="what the key file is encrypted with")
    qdrant_url: str = Field("", description="Qdrant server; empty: the embedded index")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="key for the Qdrant server")
    qdrant_collection: str = Field("freshet-videos", min_length=1, description="collection of the videos")
    qdrant_hnsw_ef: Whole = Field(128, description="how many neighbours Qdrant's search keeps in view")
    prefix: str = Field("freshet.", pattern=r"^[A-Za-z0-9._-]{0,200}$", description="prefix of topic names")
    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local/share/freshet", description="broker log, run files"
    )
    cache_dir: Path = Field(default_factory=lambda: Path.home() / ".cache/freshet", description="models, Kafka's jars")
    partitions: Whole = Field(4, description="partitions of each topic")
    replication: Whole = Field(1, description="copies of each partition")
    slate_size: Annotated[int, Field(ge=1, le=500)] = Field(20, description="items on a slate")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="what chance is drawn from")
    late_ms: Annotated[int, Field(ge=0)] = Field(86_400_000, description="older than this behind is late")
    erasure_key: SecretStr = Field(SecretStr(""), description="what erased people's ids are hashed with")
    letters_alarm: Share = Field(0.01, description="share of dead letters above which an agent raises an alarm")
    poll_records: Whole = Field(20_000, description="records that one fetch may bring")
    stuck_s: Annotated[float, Field(ge=5)] = Field(120.0, description="a worker without progress for so long ends")
    broker_wait_s: Annotated[float, Field(ge=0)] = Field(60.0, description="how long to wait for the broker")
    media_hosts: str = Field("", description="hosts that media are fetched from, with commas between; empty: none")
    media_root: str = Field("", description="folder whose files an upload may name; empty: none")
    media_bytes: Whole = Field(104_857_600, description="the most that a media file may have")
    media_s: Annotated[float, Field(ge=1)] = Field(20.0, description="how long fetching, and decoding, a file may take")
    provider: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the models run")
    image_precision: Literal["int8", "fp32"] = Field("int8", description="how pictures are encoded; GPUs need fp32")
    nudity: bool = Field(False, description="whether pictures are judged by a detector under the AGPL")
    limit_days: Annotated[int, Field(ge=0, le=36_500)] = Field(
        0, description="how long the safety gate's limit counts; 0: for good"
    )
    fusion: Literal["mean", "concat", "attention"] = Field(
        "mean", description="how text, picture and sound become one vector"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="what is logged")

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address.strip()!r} is not host:port")
        return value

    @field_validator("media_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        hosts(value)
        return value

    @field_validator("media_root")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if value and not Path(value).is_dir():
            raise ValueError("there is no such folder")
        return value

    @field_validator("data_dir", "cache_dir")
    @classmethod
    def _from_home(cls, value: Path) -> Path:
        try:
            return value.expanduser()
        except RuntimeError as error:  # a home of nobody
            raise ValueError(str(error)) from None

    @field_validator("kafka_ca", "kafka_certificate", "kafka_key")
    @classmethod
    def _is_there(cls, value: str) -> str:
        if not value:
            return value
        file = Path(value).expanduser()
        if not file.is_file():
            raise ValueError("there is no such file")
        return str(file)

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if fault := access.fault(self):
            raise ValueError(fault)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the caller alone: `load` is handed the environment and knows every source."""
        return (init_settings,)


SECRETS = frozenset(key for key, field in Settings.model_fields.items() if field.annotation is SecretStr)


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key where its value came from."""

    settings: Settings
    sources: Mapping[str, Source]

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
    values: dict[str, object] = {}
    sources: dict[str, Source] = dict.fromkeys(Settings.model_fields, "default")
    for source, layer in layers:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    try:
        return Loaded(Settings(**values), sources)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError(_sentence(error, sources, file)) from None


def settings_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    """Find the TOML file: what FRESHET_CONFIG names, else `freshet.toml` in the folder, else None."""
    if named := environ.get("FRESHET_CONFIG"):
        return Path(named).expanduser()
    here = folder / FILE_NAME
    return here if here.is_file() else None


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
        if key in Settings.model_fields:
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
        if key not in Settings.model_fields:
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
    place = {
        "flag": f"--{key.replace('_', '-')}",
        "environment": ENVIRONMENT_PREFIX + key.upper(),
        "file": f"{key} in {file}",
        "default": f"the default of {key}",
    }[sources[key]]
    value = "the value" if key in SECRETS else repr(first["input"])
    need = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{place} cannot be {value}: {need} ({Settings.model_fields[key].description})."
