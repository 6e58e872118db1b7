"""The settings: every field with its default, its bounds and its meaning; `load` makes them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.settings import kafka_security, qdrant_address
from schemas.settings.addresses import HOST, is_host, is_of_a_redis
from schemas.settings.media_hosts import hosts
from schemas.settings.ports import ports

PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
NonNegativeInt = Annotated[int, Field(ge=0, le=2**31 - 1)]
MAX_PARTS = 1000  # of a Qdrant collection; a guess: a cluster of so many nodes is none of ours
Parts = Annotated[int, Field(ge=1, le=MAX_PARTS)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=1, le=86_400)]  # poll(2) and setrlimit(2) take some weeks at most
Polled = Annotated[int, Field(ge=1, le=1_000_000)]  # records that librdkafka hands out in one call
MAX_PREFIX = 200  # and the longest topic name after it is below Kafka's 249
MAX_INT = 2**53 - 1  # beyond, JSON's numbers are not exact


class Settings(BaseSettings):
    """Everything that can be set; made by `load`, then passed down."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    bootstrap: str = Field("127.0.0.1:9092", description="Kafka addresses, host:port, with commas between")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="how the connection to Kafka is secured"
    )
    kafka_sasl: Literal["", "plain", "scram-sha-256", "scram-sha-512"] = Field(
        "", description="how the password is proved to Kafka"
    )
    kafka_user: str = Field("", description="user at Kafka")
    kafka_password: SecretStr = Field(SecretStr(""), description="the user's password at Kafka")
    kafka_ca: str = Field("", description="PEM file of the authority that signed the brokers' certificates")
    kafka_certificate: str = Field("", description="PEM file with our own certificate")
    kafka_key: str = Field("", description="PEM file with our certificate's key")
    kafka_key_password: SecretStr = Field(SecretStr(""), description="what the key file is encrypted with")
    qdrant_url: str = Field("", description="Qdrant server; empty: the embedded index")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="key for the Qdrant server")
    qdrant_read_key: SecretStr = Field(
        SecretStr(""), description="key for what only reads of Qdrant; empty: the other one"
    )
    qdrant_ca: str = Field("", description="PEM file of the authority that signed Qdrant's certificate")
    qdrant_timeout_s: Seconds = Field(30.0, description="how long a write to Qdrant may take")
    qdrant_shards: Annotated[int, Field(ge=0, le=MAX_PARTS)] = Field(
        0, description="shards of a new Qdrant collection; 0: one for each node"
    )
    qdrant_replicas: Parts = Field(1, description="copies of each shard of a new Qdrant collection")
    qdrant_write_consistency: Parts = Field(
        1, description="copies that have to have a write; at most as many as there are"
    )
    qdrant_quantization: Literal["none", "int8"] = Field(
        "none", description="how a new Qdrant collection keeps retrieval vectors in memory"
    )
    qdrant_oversampling: Annotated[float, Field(ge=1, le=100)] = Field(
        2.0, description="so many times the wanted hits are ordered by their whole vectors where these are quantised"
    )
    qdrant_on_disk: bool = Field(False, description="whether a new Qdrant collection keeps retrieval vectors on disk")
    qdrant_collection: str = Field("videos", description="collection of the videos, after the prefix")
    qdrant_hnsw_ef: NonNegativeInt = Field(
        0, description="how many neighbours Qdrant's search keeps in view; 0: by how many videos there are"
    )
    hold_vectors: bool = Field(True, description="whether ranking agents hold the embeddings of all videos")
    vector_cache: PositiveInt = Field(50_000, description="so many embeddings are kept by one that does not")
    prefix: str = Field("freshet.", description="prefix of topic names")
    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local/share/freshet", description="broker log, run files"
    )
    cache_dir: Path = Field(default_factory=lambda: Path.home() / ".cache/freshet", description="models, Kafka's jars")
    models: str = Field("", description="bundle of models to take, a path or an address; empty: make them")
    partitions: PositiveInt = Field(4, description="partitions of each topic")
    replication: PositiveInt = Field(1, description="copies of each partition")
    feed: str = Field("ranker.feeds.home:build", description="function that makes the ranking pipeline")
    kernel: Literal["auto", "off"] = Field(
        "auto", description="auto: ranking's loops run compiled where they were compiled; off: in NumPy"
    )
    ranking: str = Field("", description="TOML file of what slates are made of; empty: the feed's own")
    slate_size: Annotated[int, Field(ge=1, le=500)] = Field(20, description="items on a slate")
    seed: Annotated[int, Field(ge=0, le=MAX_INT)] = Field(0, description="seed of all random numbers")
    late_ms: Annotated[int, Field(ge=0, le=MAX_INT)] = Field(
        86_400_000, description="an event so much older than the newest is late"
    )
    erasure_key: SecretStr = Field(SecretStr(""), description="key that the ids of erased people are hashed with")
    dead_letter_alarm_ratio: Share = Field(
        0.01, description="share of dead letters above which an agent raises an alarm"
    )
    poll_records: Polled = Field(20_000, description="records that one fetch may bring")
    stuck_s: Annotated[float, Field(ge=5)] = Field(
        120.0, description="a worker that makes no progress for so long ends"
    )
    broker_wait_s: Annotated[float, Field(ge=0)] = Field(60.0, description="how long to wait for the broker")
    media_hosts: str = Field("", description="hosts that media are fetched from, with commas between; empty: none")
    media_root: str = Field("", description="folder whose files an upload may name; empty: none")
    media_bytes: PositiveInt = Field(104_857_600, description="the most that a media file may have")
    media_s: Seconds = Field(20.0, description="how long fetching, and decoding, a file may take")
    provider: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the models run")
    text_model: Literal["e5", "minilm", "multilingual"] = Field(
        "minilm", description="which model reads titles; minilm: English alone"
    )
    image_precision: Literal["int8", "fp32"] = Field("int8", description="how pictures are encoded; GPUs need fp32")
    nudity: bool = Field(False, description="whether pictures are judged by a detector under the AGPL")
    limit_days: Annotated[int, Field(ge=0, le=36_500)] = Field(
        0, description="how long the safety gate's limit counts; 0: for good"
    )
    fusion: Literal["mean", "concat", "attention"] = Field(
        "mean", description="how text, picture and sound become one vector"
    )
    parameters: str = Field("", description="file of `freshet train` that slates are ranked by; empty: none")
    sequence: str = Field("", description="file of `freshet train-sequence` that gives candidates; empty: none")
    modalities: str = Field("encoders.modalities.registry:build", description="function that describes the modalities")
    metrics_host: str = Field("127.0.0.1", description="address at which a worker serves its metrics")
    metrics_port: str = Field("", description="port of a worker's metrics, or a range; empty: none are served")
    api_host: str = Field("127.0.0.1", description="address that the HTTP API listens on")
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(8090, description="port of the HTTP API; 0: any free one")
    api_hosts: str = Field("", description="further names that the HTTP API is called by, with commas between")
    api_read_token: SecretStr = Field(SecretStr(""), description="token that reading from the HTTP API takes")
    api_write_token: SecretStr = Field(
        SecretStr(""), description="token that writing, and reading, by the HTTP API takes"
    )
    slates_url: str = Field(
        "", description="Redis or Valkey that keeps the API's slates; empty: a folder below data_dir"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="what is logged")
    log_format: Literal["text", "json"] = Field("text", description="how a worker writes its log")

    @model_validator(mode="before")
    @classmethod
    def _no_switch_is_a_number(cls, values: object) -> object:
        """TOML's true and false, which pydantic would take for 1 and 0, are left to the settings that are switches."""
        if isinstance(values, Mapping):
            switches = {key for key, field in cls.model_fields.items() if field.annotation is bool}
            return {k: str(v).lower() if isinstance(v, bool) and k not in switches else v for k, v in values.items()}
        return values

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in map(str.strip, value.split(",")):
            host, _, port = address.rpartition(":")
            if "://" in address:
                raise ValueError(f"{address!r} is not host:port; leave out {address.partition('://')[0]}://")
            if not (HOST.fullmatch(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address!r} is not host:port")
        return value

    @field_validator("api_host", "metrics_host")
    @classmethod
    def _is_listened_on(cls, value: str) -> str:
        """An empty one would be every address of this machine."""
        if not is_host(value):
            raise ValueError("it should be an address or a name, such as 127.0.0.1, ::1 or, for all, 0.0.0.0")
        return value

    @field_validator("api_hosts")
    @classmethod
    def _are_names(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            if not is_host(name):
                raise ValueError(f"{name!r} is no host's name; leave out scheme and port, and name each host")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("metrics_port")
    @classmethod
    def _is_ports(cls, value: str) -> str:
        ports(value)
        return value

    @field_validator("prefix")
    @classmethod
    def _begins_a_topic_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]*", value):
            raise ValueError("a topic's name has ASCII letters, digits, '.', '_' and '-' alone")
        if len(value) > MAX_PREFIX:
            raise ValueError(f"it has {len(value)} characters, {MAX_PREFIX} are the most: a topic's name ends at 249")
        return value

    @field_validator("qdrant_url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        if value and (fault := qdrant_address.address_fault(value)):
            raise ValueError(f"it {fault}")
        return value

    @field_validator("slates_url")
    @classmethod
    def _keeps_slates(cls, value: str) -> str:
        if value and not is_of_a_redis(value):
            raise ValueError("it should be of the form redis://host:port/db or rediss://host:port/db")
        return value

    @field_validator("qdrant_collection")
    @classmethod
    def _is_in_a_collection_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
            raise ValueError("a collection's name has ASCII letters, digits, '.', '_' and '-' alone")
        return value

    @field_validator("media_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        hosts(value)
        return value

    @field_validator("feed", "modalities")
    @classmethod
    def _names_a_function(cls, value: str) -> str:
        module, _, function = value.partition(":")
        if not (all(part.isidentifier() for part in module.split(".")) and function.isidentifier()):
            raise ValueError("it should be package.module:function")
        return value

    @field_validator("media_root")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if value and not _found(Path(value).is_dir):
            raise ValueError("there is no such folder")
        return value

    @field_validator("data_dir", "cache_dir")
    @classmethod
    def _from_home(cls, value: Path) -> Path:
        try:
            folder = value.expanduser()
        except RuntimeError as error:  # this user has no home folder
            raise ValueError(str(error)) from None
        if folder == Path():
            raise ValueError("it is empty; leave it out for the default, or name a folder")
        if _found(folder.is_file):
            raise ValueError("it is a file, not a folder")
        return folder

    @field_validator("kafka_ca", "kafka_certificate", "kafka_key", "qdrant_ca")
    @classmethod
    def _is_there(cls, value: str) -> str:
        if not value:
            return value
        file = Path(value).expanduser()
        if not _found(file.is_file):
            raise ValueError("there is no such file")
        return str(file)

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if not (self.hold_vectors or self.qdrant_url):
            raise ValueError("hold_vectors is false, and qdrant_url names no server that holds them")
        if self.sequence and not self.hold_vectors:
            raise ValueError("hold_vectors is false, but what sequence names compares the vectors of all videos")
        if fault := kafka_security.fault(self) or qdrant_address.fault(self):
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


def _found(asked: Callable[[], bool]) -> bool:
    """What a path is asked; ValueError where the system takes no such name."""
    try:
        return asked()
    except OSError as error:
        raise ValueError(error.strerror) from None


SECRETS = frozenset(key for key, field in Settings.model_fields.items() if field.annotation is SecretStr)
