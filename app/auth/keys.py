"""Keys: those that sign this platform's own JWTs, out of a setting.

The first key signs, and all of them verify. So a key is exchanged in three releases: add the new one at the end, put it
first once every process knows it, and take the old one away when the last token that it signed has run out.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.settings import SettingsError

Key = RSAKey | OKPKey

#: By kind of key, the one algorithm that it is used with (RFC 7518 §3.3, RFC 8037). There are no others here.
ALGORITHMS = {"RSA": "RS256", "OKP": "EdDSA"}
#: RFC 7518 §3.3 asks for at least as much.
LEAST_RSA_BITS = 2048

BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
VARIABLE = "RATE_JWT_SIGNING_KEYS"


class Pinned(JWSRegistry):
    """Knows our two algorithms. The library's own would warn at every use of EdDSA, which RFC 9864 gives a new name."""

    def __init__(self) -> None:
        super().__init__(algorithms=tuple(ALGORITHMS.values()))

    def get_alg(self, name: str) -> Any:
        """Return the algorithm. Raises UnsupportedAlgorithmError."""
        return self.algorithms[name] if name in ALGORITHMS.values() else super().get_alg(name)


PINNED = Pinned()


class SigningKeys:
    """The keys that sign, the present one first. There may be none: then no JWT is made here."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        for key in keys:
            key.ensure_kid()
        self._keys = {str(key.kid): key for key in keys}

    @classmethod
    def of(cls, setting: str) -> Self:
        """Return the keys in a setting: PEM, or the path of a file with it; empty for none.

        A variable that can have but one line may say `\\n` where a line ends.

        Raises:
            SettingsError: the file cannot be read, or something in it is no private key of a kind that is used here.
        """
        if not setting:
            return cls()
        text = setting.replace("\\n", "\n") if setting.startswith("-----BEGIN") else read(Path(setting))
        blocks = BLOCK.findall(text)
        if not blocks:
            raise SettingsError(f"{VARIABLE} holds no PEM. `flask keys create` makes a key.")
        return cls([parse(block) for block in blocks])

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def present(self) -> Key:
        """The key that signs. Only where there is one."""
        return next(iter(self._keys.values()))

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None."""
        return self._keys.get(kid)

    def published(self) -> dict[str, Any]:
        """Return the public halves, as a JWK Set (RFC 7517 §5)."""
        return {"keys": [key.as_dict(private=False, use="sig", alg=algorithm(key)) for key in self._keys.values()]}


def algorithm(key: Key) -> str:
    """Return the algorithm that the key is used with."""
    return ALGORITHMS[key.key_type]


def generate(algorithm: str) -> Key:
    """Return a new private key for the algorithm."""
    return OKPKey.generate_key("Ed25519") if algorithm == "EdDSA" else RSAKey.generate_key(3072)


def read(path: Path) -> str:
    """Return what the file says. Raises SettingsError."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not PEM"
        raise SettingsError(f"{VARIABLE}: the file {path} cannot be read: {reason}.") from None


def parse(block: str) -> Key:
    """Return the key in a block of PEM. Raises SettingsError, which never tells any of it."""
    try:
        raw = load_pem_private_key(block.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"{VARIABLE} must hold private keys as PEM, without a password.") from None
    if isinstance(raw, Ed25519PrivateKey):
        return OKPKey.import_key(raw)
    if isinstance(raw, RSAPrivateKey) and raw.key_size >= LEAST_RSA_BITS:
        return RSAKey.import_key(raw)
    raise SettingsError(f"{VARIABLE} must hold Ed25519 keys, or RSA keys of at least {LEAST_RSA_BITS} bits.")
