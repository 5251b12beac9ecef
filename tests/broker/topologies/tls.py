"""One Redis that speaks TLS alone, with a certificate of its own making: a formation beside those of `ops.chaos`."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.chaos.formations import Formation, Node
from tests.broker.servers import DEBIAN


class TlsNode(Node):
    """A server that speaks TLS alone."""

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self._certificate}"

    def certify(self) -> None:
        """It has a key and a certificate."""
        self.data.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        self._certificate.write_bytes(_certificate(key).public_bytes(serialization.Encoding.PEM))
        kind = serialization.PrivateFormat.PKCS8
        self._key.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))

    @property
    def _certificate(self) -> Path:
        return self.data / "cert.pem"

    @property
    def _key(self) -> Path:
        return self.data / "key.pem"

    def _command(self, port: int) -> list[str]:
        ports = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
        files = {"cert": self._certificate, "key": self._key, "ca-cert": self._certificate}
        named = [word for name, path in files.items() for word in (f"--tls-{name}-file", str(path))]
        return [*super()._command(port), *ports, *named]

    def _client(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, socket_timeout=1, ssl=True, ssl_ca_certs=str(self._certificate))


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return builder.sign(key, hashes.SHA256())


@contextmanager
def tls(folder: Path) -> Iterator[Formation]:
    """One server that speaks TLS alone."""
    server = TlsNode(folder / "tls", binary=DEBIAN)
    server.certify()
    with server:
        yield Formation(server.url, [server])
