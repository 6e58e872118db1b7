"""Certificates made for a test by the openssl command: an authority, and what it signs."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Signed(NamedTuple):
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path

    def keystore(self) -> Path:
        """Key and certificate in one file, as Kafka's PEM keystores have them."""
        both = self.certificate.with_suffix(".both.pem")
        both.write_text(self.key.read_text("ascii") + self.certificate.read_text("ascii"), "ascii")
        return both


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        if not shutil.which("openssl"):
            pytest.skip("certificates need openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.certificate, self._key = folder, folder / f"{name}.pem", folder / f"{name}.key"
        _new_key(self._key)
        files = ("-key", self._key, "-out", self.certificate)
        _openssl("req", "-x509", *files, "-days", "2", "-subj", f"/CN={name}", "-addext", "basicConstraints=CA:TRUE")

    def sign(self, name: str, alternative: str = "", password: str = "") -> Signed:
        """A certificate for a name; `alternative` is its subjectAltName, a password encrypts the key."""
        signed = Signed(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        _new_key(signed.key)
        _openssl("req", "-new", "-key", signed.key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n")
        ours = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, *ours, "-days", "2", "-out", signed.certificate)
        if password:
            plain = signed.key.rename(signed.key.with_suffix(".plain"))
            _openssl("pkcs8", "-topk8", "-in", plain, "-out", signed.key, "-passout", f"pass:{password}")
        return signed


def _new_key(file: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
