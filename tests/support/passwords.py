"""Settings with a password, and with files of certificates."""

from pathlib import Path

SWORDFISH = "swordfish-1f7a"
PASSWORD = {
    "FRESHET_KAFKA_SASL": "scram-sha-512",
    "FRESHET_KAFKA_USER": "ana",
    "FRESHET_KAFKA_PASSWORD": SWORDFISH,
}


def named_files(folder: Path) -> dict[str, str]:
    """Settings that name files; what they hold is looked at later."""
    environ = {}
    for name in ("CA", "CERTIFICATE", "KEY"):
        (folder / name).write_text("")
        environ[f"FRESHET_KAFKA_{name}"] = str(folder / name)
    return environ
