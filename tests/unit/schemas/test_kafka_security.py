"""Access to Kafka: which settings belong together, and which of them never show."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from schemas.settings.load import SettingsError, load
from schemas.settings.model import SECRETS, Settings
from tests.support.passwords import PASSWORD, SWORDFISH, named_files


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load({}, environ, None)
    assert SWORDFISH not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return named_files(tmp_path)


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
