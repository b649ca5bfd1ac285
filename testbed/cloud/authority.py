# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bed's own certificate authority, and the secrets it makes up on first use."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.cloud.places import ADDRESSES, SECRETS, STATE

CA = STATE / "ca.pem"
CA_KEY = STATE / "ca.key"
YEARS = timedelta(days=3650)


def secret(name: str, octets: int = 24, encoding: str = "url") -> str:
    """The secret of this name, made up on first use; ``encoding`` is ``url`` or ``base64``."""
    path = SECRETS / name
    if not path.exists():
        SECRETS.mkdir(mode=0o700, parents=True, exist_ok=True)
        value = (
            base64.b64encode(secrets.token_bytes(octets)).decode()
            if encoding == "base64"
            else secrets.token_hex(octets)
        )
        write(path, value.encode() + b"\n")
    return path.read_text().strip()


def write(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority's certificate and key, made on first use."""
    if not CA.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mainstay test bed")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + YEARS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )
        write(CA_KEY, pem(key))
        write(CA, certificate.public_bytes(serialization.Encoding.PEM))
        CA.chmod(0o644)
    loaded = serialization.load_pem_private_key(CA_KEY.read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(CA.read_bytes()), loaded


def certificate(host: str) -> Path:
    """The folder with ``cert.pem`` and ``key.pem`` for a service of the bed, made on first use."""
    folder = STATE / "tls" / host
    if not (folder / "cert.pem").exists():
        issuer, signer = authority()
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host), x509.DNSName("localhost")]
        names += [x509.IPAddress(ip_address(ADDRESSES[host])), x509.IPAddress(ip_address("127.0.0.1"))]
        now = datetime.now(UTC)
        leaf = (
            x509.CertificateBuilder(
                issuer.subject,
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]),
                key.public_key(),
                x509.random_serial_number(),
                now,
                now + YEARS,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        write(folder / "key.pem", pem(key))
        write(folder / "cert.pem", leaf.public_bytes(serialization.Encoding.PEM))
    return folder
