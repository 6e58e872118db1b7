"""Access: which settings belong together, what never shows, and that nothing is unpickled."""

import ast
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.settings.load import SettingsError, load
from schemas.settings.model import SECRETS, Settings
from streams import app
from streams.dead_letters.validation import read_feedback, read_upload
from streams.errors import OperatorError
from streams.kafka.records import Record
from streams.kafka.security import kafka_python_options, librdkafka_options, without_security
from streams.local.broker import broker_if_none_answers
from streams.qdrant.client import connect
from streams.worker import supervise
from tests.support.events import NOON
from tests.support.paths import ROOT

SWORDFISH = "swordfish-1f7a"
PASSWORD = {
    "FRESHET_KAFKA_SASL": "scram-sha-512",
    "FRESHET_KAFKA_USER": "ana",
    "FRESHET_KAFKA_PASSWORD": SWORDFISH,
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load({}, environ, None)
    assert SWORDFISH not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Settings that name files; what they hold is looked at later."""
    environ = {}
    for name in ("CA", "CERTIFICATE", "KEY"):
        (tmp_path / name).write_text("")
        environ[f"FRESHET_KAFKA_{name}"] = str(tmp_path / name)
    return environ


# ---- what belongs together ----


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"FRESHET_KAFKA_USER": "ana"}, "FRESHET_KAFKA_USER is given, but FRESHET_KAFKA_SECURITY=plaintext"),
        ({"FRESHET_KAFKA_PASSWORD": SWORDFISH}, "FRESHET_KAFKA_PASSWORD is given, but FRESHET_KAFKA_SECURITY=pl"),
        ({**PASSWORD, "FRESHET_KAFKA_SECURITY": "ssl"}, "FRESHET_KAFKA_SASL is given, but"),
        ({"FRESHET_KAFKA_SECURITY": "sasl_ssl"}, "FRESHET_KAFKA_SECURITY=sasl_ssl needs FRESHET_KAFKA_SASL too"),
        (
            {**PASSWORD, "FRESHET_KAFKA_SECURITY": "sasl_ssl", "FRESHET_KAFKA_PASSWORD": ""},
            "needs FRESHET_KAFKA_PASSWORD too",
        ),
        (
            {"FRESHET_KAFKA_SECURITY": "ssl", "FRESHET_KAFKA_KEY_PASSWORD": SWORDFISH},
            "FRESHET_KAFKA_KEY_PASSWORD has no key to open",
        ),
        ({"FRESHET_KAFKA_SECURITY": "ssl", "FRESHET_KAFKA_CA": "no/ca.pem"}, "'no/ca.pem': there is no such file"),
        ({"FRESHET_KAFKA_SECURITY": "tls"}, "FRESHET_KAFKA_SECURITY cannot be 'tls'"),
        ({"FRESHET_KAFKA_SASL": "gssapi"}, "FRESHET_KAFKA_SASL cannot be 'gssapi'"),
    ],
)
def test_settings_that_do_not_belong_together_are_told_in_a_sentence(environ: dict[str, str], said: str) -> None:
    assert said in refusal(environ)


def test_a_certificate_needs_its_key_and_the_other_way_round(files: dict[str, str]) -> None:
    for one, other in (("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")):
        environ = {name: file for name, file in files.items() if name != f"FRESHET_KAFKA_{other}"}
        needs = f"FRESHET_KAFKA_{one} needs FRESHET_KAFKA_{other} too"
        assert needs in refusal({**environ, "FRESHET_KAFKA_SECURITY": "ssl"})


def test_certificates_without_tls_are_told(files: dict[str, str]) -> None:
    assert "FRESHET_KAFKA_CA is given, but FRESHET_KAFKA_SECURITY=plaintext" in refusal(files)


@pytest.mark.parametrize("bootstrap", ["kafka.example.com:9092", "127.0.0.1:9092,10.0.0.7:9092"])
def test_a_password_does_not_leave_this_machine_in_the_clear(bootstrap: str) -> None:
    open_wire = {**PASSWORD, "FRESHET_KAFKA_SECURITY": "sasl_plaintext", "FRESHET_BOOTSTRAP": bootstrap}
    assert "in the clear" in refusal({**open_wire, "FRESHET_KAFKA_SASL": "plain"})
    assert load({}, open_wire, None).settings.kafka_sasl == "scram-sha-512"  # it proves the password, and keeps it
    here = {**open_wire, "FRESHET_KAFKA_SASL": "plain", "FRESHET_BOOTSTRAP": "127.0.0.1:1,localhost:2,[::1]:3"}
    assert load({}, here, None).settings.kafka_sasl == "plain"


def test_a_qdrant_key_does_not_leave_this_machine_in_the_clear() -> None:
    with pytest.raises(ValueError, match="would carry the API key in the clear") as caught:
        connect("http://qdrant.example.com:6333", api_key=SWORDFISH)
    assert SWORDFISH not in str(caught.value)


# ---- one set of settings for every client ----


def test_both_clients_are_told_the_same(files: dict[str, str]) -> None:
    environ = {**PASSWORD, **files, "FRESHET_KAFKA_SECURITY": "sasl_ssl", "FRESHET_KAFKA_KEY_PASSWORD": "open-2b"}
    settings = load({}, environ, None).settings
    agents, commands = librdkafka_options(settings), kafka_python_options(settings)
    pairs = {
        "security.protocol": "security_protocol",
        "sasl.mechanism": "sasl_mechanism",
        "sasl.username": "sasl_plain_username",
        "sasl.password": "sasl_plain_password",
        "ssl.ca.location": "ssl_cafile",
        "ssl.certificate.location": "ssl_certfile",
        "ssl.key.location": "ssl_keyfile",
        "ssl.key.password": "ssl_password",
    }
    assert {name: agents[name].lower() for name in pairs} == {a: commands[b].lower() for a, b in pairs.items()}
    assert SWORDFISH not in repr(agents) + repr(commands)  # as a client logs them
    assert (agents["ssl.endpoint.identification.algorithm"], commands["ssl_check_hostname"]) == ("https", True)


def test_the_local_broker_is_spoken_to_in_the_open() -> None:
    settings = load({}, {**PASSWORD, "FRESHET_KAFKA_SECURITY": "sasl_ssl"}, None).settings
    assert librdkafka_options(without_security(settings)) == librdkafka_options(Settings())
    with pytest.raises(OperatorError, match="speaks plain text"), broker_if_none_answers(settings, print):
        pass


# ---- secrets ----


def test_every_secret_is_masked_and_may_come_from_a_file(tmp_path: Path) -> None:
    assert {"kafka_password", "kafka_key_password", "qdrant_api_key"} <= SECRETS
    for key in SECRETS:
        (tmp_path / key).write_text(f"{SWORDFISH}-{key}\n")
    (tmp_path / "pem").write_text("")
    around = {
        "FRESHET_KAFKA_SECURITY": "sasl_ssl",
        "FRESHET_KAFKA_SASL": "plain",
        "FRESHET_KAFKA_USER": "ana",
        "FRESHET_KAFKA_CERTIFICATE": str(tmp_path / "pem"),
        "FRESHET_KAFKA_KEY": str(tmp_path / "pem"),
    }
    loaded = load({}, around | {f"FRESHET_{key.upper()}_FILE": str(tmp_path / key) for key in SECRETS}, None)
    values: dict[str, SecretStr] = {key: getattr(loaded.settings, key) for key in SECRETS}
    assert {key: value.get_secret_value() for key, value in values.items()} == {
        key: f"{SWORDFISH}-{key}" for key in SECRETS
    }
    assert SWORDFISH not in repr(loaded) + str(loaded.shown()) + str(loaded.settings)


def test_a_secret_does_not_stand_in_an_error_of_settings_made_by_hand() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(kafka_password=SecretStr(SWORDFISH), qdrant_api_key=SecretStr(SWORDFISH))
    assert SWORDFISH not in str(caught.value)


def test_agents_get_every_secret_and_no_word_of_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_QDRANT_API_KEY_FILE", "elsewhere")
    monkeypatch.setenv("FRESHET_KAFKA_PASSWORD", "of another Kafka")
    environ = supervise.environment(load({}, {"FRESHET_QDRANT_API_KEY": SWORDFISH}, None).settings)
    assert environ["FRESHET_QDRANT_API_KEY"] == SWORDFISH
    assert environ["FRESHET_KAFKA_PASSWORD"] == ""
    assert "FRESHET_QDRANT_API_KEY_FILE" not in environ
    assert load({}, {k: v for k, v in environ.items() if k.startswith("FRESHET_")}, None)


# ---- pickle ----


@pytest.mark.parametrize("kind", ["application/x-python-pickle", "pickle", "application/x-python-serialize"])
def test_a_record_that_asks_to_be_unpickled_is_a_dead_letter(kind: str, tmp_path: Path) -> None:
    value = b"cos\nmkdir\n(V" + bytes(tmp_path / "sprung") + b"\ntR."  # makes the folder where it is unpickled
    headers = [("content-type", kind.encode()), ("serializer", b"pickle"), ("codec", b"pickle")]
    record = Record("f.feedback.v1", 0, 0, NOON, b"ana", value, headers)
    (letter,) = read_feedback([record], partitions=1).dead_letters
    upload = read_upload(record)
    assert isinstance(upload, DeadLetter)
    assert (letter.reason, upload.reason) == (Reason.DECODE, Reason.DECODE)
    assert not (tmp_path / "sprung").exists()


def test_no_codec_of_fausts_is_asked_for(tmp_path: Path) -> None:
    for name in app.BUILDERS:
        faust_app = app.new_app(name, Settings(data_dir=tmp_path))
        assert (faust_app.conf.key_serializer, faust_app.conf.value_serializer) == ("raw", "raw")
        assert not faust_app.conf.web_enabled


def test_weights_are_never_loaded_as_pickles() -> None:
    calls = []
    for package in ("schemas", "encoders", "ranker", "streams"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            calls += [f"{path.name}:{node.lineno}" for node in ast.walk(tree) if is_unsafe_load(node)]
    assert calls == []
    assert is_unsafe_load(ast.parse("torch.load(file)").body[0].value)  # type: ignore[attr-defined]
    assert not is_unsafe_load(ast.parse("torch.load(file, weights_only=True)").body[0].value)  # type: ignore[attr-defined]


def is_unsafe_load(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"):
        return False
    return not any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
