"""Secrets in streams: what each client is told, what agents are handed, and that nothing is unpickled."""

import ast
from pathlib import Path

import pytest

from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.settings.load import load
from schemas.settings.model import Settings
from streams import app
from streams.dead_letters.validation import read_feedback, read_upload
from streams.errors import OperatorError
from streams.kafka.records import Record
from streams.kafka.security import kafka_python_options, librdkafka_options, without_security
from streams.local.broker import broker_if_none_answers
from streams.qdrant.client import connect
from streams.worker import supervise
from tests.support.events import NOON
from tests.support.passwords import PASSWORD, SWORDFISH, named_files
from tests.support.paths import ROOT


def test_a_qdrant_key_does_not_leave_this_machine_in_the_clear() -> None:
    with pytest.raises(ValueError, match="would carry the API key in the clear") as caught:
        connect("http://qdrant.example.com:6333", api_key=SWORDFISH)
    assert SWORDFISH not in str(caught.value)


def test_both_clients_are_told_the_same(tmp_path: Path) -> None:
    environ = {
        **PASSWORD,
        **named_files(tmp_path),
        "FRESHET_KAFKA_SECURITY": "sasl_ssl",
        "FRESHET_KAFKA_KEY_PASSWORD": "open-2b",
    }
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


def test_agents_get_every_secret_and_no_word_of_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_QDRANT_API_KEY_FILE", "elsewhere")
    monkeypatch.setenv("FRESHET_KAFKA_PASSWORD", "of another Kafka")
    environ = supervise.environment(load({}, {"FRESHET_QDRANT_API_KEY": SWORDFISH}, None).settings)
    assert environ["FRESHET_QDRANT_API_KEY"] == SWORDFISH
    assert environ["FRESHET_KAFKA_PASSWORD"] == ""
    assert "FRESHET_QDRANT_API_KEY_FILE" not in environ
    assert load({}, {k: v for k, v in environ.items() if k.startswith("FRESHET_")}, None)


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
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load"):
        return False
    if ast.unparse(node.func) != "torch.load":
        return False
    return not any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
