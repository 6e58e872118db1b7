"""One broker with a listener of each kind: open for the test itself, with passwords, with TLS, with both."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

from schemas.settings.load import load
from schemas.settings.model import Settings
from streams.local.broker import HOST, LocalBroker, free_port, local_broker
from tests.support.brokers import CACHE, needs_java_and_maven
from tests.support.certificates import Authority, Signed

MODULES = "org.apache.kafka.common.security"
KINDS = {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "MUTUAL": "SSL", "BOTH": "SASL_SSL"}  # listener → protocol
KEY_PASSWORD = "keyhole-5d1c"  # made up, like every password here


@dataclass(frozen=True)
class Secured:
    """The running broker, its ports by listener, and what its clients need."""

    broker: LocalBroker
    ports: Mapping[str, int]
    authority: Authority
    client: Signed  # of the principal CN=freshet; its key is encrypted with KEY_PASSWORD
    passwords: Mapping[str, str]  # by user

    def address(self, listener: str, host: str = HOST) -> str:
        """Where a listener is reached."""
        return f"{host}:{self.ports[listener]}"

    def as_user(self, user: str, sasl: str, listener: str = "SASL", **changes: object) -> Settings:
        """Settings of a user with a password."""
        tls = {"kafka_ca": str(self.authority.certificate)} if listener == "BOTH" else {}
        given = {"kafka_sasl": sasl, "kafka_user": user, "kafka_password": self.passwords[user]}
        return self.settings(listener, **{**tls, **given, **changes})

    def by_certificate(self, **changes: object) -> Settings:
        """Settings of the client with a certificate."""
        files = {"kafka_certificate": str(self.client.certificate), "kafka_key": str(self.client.key)}
        given = {"kafka_ca": str(self.authority.certificate), "kafka_key_password": KEY_PASSWORD}
        return self.settings("MUTUAL", **{**files, **given, **changes})

    def settings(self, listener: str, **changes: object) -> Settings:
        """Settings for a listener."""
        given: dict[str, object] = {"bootstrap": self.address(listener), "broker_wait_s": 300}
        given |= {"kafka_security": KINDS[listener].lower(), "cache_dir": CACHE.settings.cache_dir}
        return load({**given, **changes}, {}, None).settings


@contextmanager
def secured_broker(
    folder: Path, passwords: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> Iterator[Secured]:
    """Run the broker; every user may come by plain and by both SCRAM mechanisms."""
    needs_java_and_maven()
    authority = Authority(folder / "certificates", "authority")
    server = authority.sign("server", f"IP:{HOST}")
    client = authority.sign("freshet", password=KEY_PASSWORD)
    port, ports = free_port(), {listener: free_port() for listener in KINDS}
    properties = _properties(port, ports, authority, server, passwords) | dict(extra or {})
    with local_broker(folder, CACHE.settings.cache_dir, port, extra=properties) as broker:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            _let_in(admin, passwords)
        yield Secured(broker, ports, authority, client, passwords)


def _let_in(admin: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # a user once per request
        wanted = [UserScramCredentialUpsertion(user, mechanism, password) for user, password in passwords.items()]
        refused = {user: why for user, why in admin.alter_user_scram_credentials(wanted).items() if why}
        assert not refused, refused


def _properties(
    port: int, ports: Mapping[str, int], authority: Authority, server: Signed, passwords: Mapping[str, str]
) -> dict[str, str]:
    controller = free_port()
    ours = {"PLAINTEXT": port, **ports}
    listeners = [f"{name}://{HOST}:{at}" for name, at in ours.items()]
    kinds = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **KINDS}
    properties = {
        "listeners": ",".join([*listeners, f"CONTROLLER://{HOST}:{controller}"]),
        "advertised.listeners": ",".join(listeners),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in kinds.items()),
    }
    for listener, kind in KINDS.items():
        of = f"listener.name.{listener.lower()}."
        if kind.startswith("SASL"):
            properties |= {of + key: value for key, value in _passwords(passwords).items()}
        if kind.endswith("SSL"):
            properties |= {of + key: value for key, value in _certificates(authority, server).items()}
    properties["listener.name.mutual.ssl.client.auth"] = "required"
    return properties


def _passwords(passwords: Mapping[str, str]) -> dict[str, str]:
    users = " ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    plain = f"{MODULES}.plain.PlainLoginModule required {users};"
    scram = f"{MODULES}.scram.ScramLoginModule required;"
    return {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "plain.sasl.jaas.config": plain,
        "scram-sha-256.sasl.jaas.config": scram,
        "scram-sha-512.sasl.jaas.config": scram,
    }


def _certificates(authority: Authority, server: Signed) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.keystore()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
    }
