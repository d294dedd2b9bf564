"""Certificates that sign manifests: the operator's own, or a test certificate of this installation.

Runs on: any thread. The test certificate is made on first use and stays in the user's data folder; programs that check
a manifest report that they do not know who issued it.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from styletalk_core.errors import InputError, StorageError, storing

TEST_DAYS: Final = 3_650
CHAIN_FILE, KEY_FILE = "test-certificate.pem", "test-key.pem"
_ORGANIZATION: Final = "StyleTalk Live test certificate"


@dataclass(frozen=True, slots=True)
class Certificate:
    """``chain`` in PEM, the signer's first, and the signer's P-256 private ``key`` in PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @classmethod
    def read(cls, chain: Path, key: Path) -> "Certificate":
        """Read the operator's own.

        Raises:
            InputError: a file cannot be read, or is not what it must be.
        """
        try:
            certificate = cls(chain.read_bytes(), key.read_bytes())
            signer = x509.load_pem_x509_certificates(certificate.chain)[0]
            private = load_pem_private_key(certificate.key, None)
        except OSError as error:
            raise InputError(f"The certificate or its key cannot be read: {error}.") from error
        except (ValueError, TypeError) as error:
            raise InputError(f"{chain} and {key} must be a certificate chain and its private key in PEM.") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise InputError(f"The key {key} must be of the curve P-256 (ES256).")
        if private.public_key() != signer.public_key():
            raise InputError(f"The key {key} is not that of the first certificate in {chain}.")
        return certificate


def own_test_certificate(folder: Path) -> Certificate:
    """Return the test certificate of a data folder; made when there is none, each time if the folder takes no files."""
    chain, key = folder / CHAIN_FILE, folder / KEY_FILE
    if chain.is_file() and key.is_file():
        return Certificate(chain.read_bytes(), key.read_bytes())
    made = _made()
    with suppress(StorageError), storing():
        folder.mkdir(parents=True, exist_ok=True)
        _write(key, made.key)
        _write(chain, made.chain)
    return made


def _write(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, at once or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    partial.replace(path)


def _made() -> Certificate:
    """Return a new certificate with an issuer of its own, as manifests must not be signed by self-signed ones."""
    issuer_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer_name, signer_name = _name("Issuer"), _name("Signer")
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    issuer = (
        _builder(issuer_name, issuer_name, issuer_key.public_key(), issuer_key.public_key())
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage), True)
        .sign(issuer_key, hashes.SHA256())
    )
    signer = (
        _builder(signer_name, issuer_name, signer_key.public_key(), issuer_key.public_key())
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **usage), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .sign(issuer_key, hashes.SHA256())
    )
    chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (signer, issuer))
    return Certificate(chain, signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _name(role: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION), x509.NameAttribute(NameOID.COMMON_NAME, role)]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=TEST_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False)
    )
