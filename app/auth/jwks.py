"""JWKS: the public keys of another issuer, out of a file or from a URL, read again as that issuer exchanges them.

The address is the operator's; nothing in a token leads to another one. What may surprise: while the list is out of
reach, the last good one goes on being believed, for an hour at most.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey, RSAKey

from app import json
from app.auth.keys import ALGORITHMS, LEAST_RSA_BITS, Key, algorithm
from app.errors import IssuerAway
from app.settings import SettingsError

log = structlog.get_logger(__name__)

#: A list is read again when it is this old (s).
FRESH_FOR_S = 600.0
#: It is read at most this often (s), whatever key ids strangers make up.
REST_S = 30.0
#: And believed for this long (s) when it cannot be read again.
BELIEVED_FOR_S = 3600.0
#: The longest that reading may take (s), from the first byte sent to the last one received.
DEADLINE_S = 3.0
#: The largest list (bytes), and the most keys that are looked at.
MOST_BYTES, MOST_KEYS = 65_536, 100
#: Where plain HTTP leaves the machine for nobody to listen to.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Unusable(Exception):
    """The list cannot be had, or is none. The message says why and holds nothing of it."""


class Jwks:
    """The keys of an issuer."""

    def __init__(self, fetch: Callable[[], bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._reading = threading.Lock()
        self._keys: Mapping[str, Key] = {}
        self._tried_at = self._read_at = float("-inf")

    @classmethod
    def at(cls, address: str) -> "Jwks":
        """Return the keys at an `https` URL or in a file. Nothing is read yet.

        Raises:
            SettingsError: the URL is of another scheme; plain `http` is only for this very machine.
        """
        scheme, separator, _ = address.partition("://")
        if not separator:
            return cls(lambda: in_file(Path(address)))
        host = urlsplit(address).hostname
        if host is None or not (scheme == "https" or (scheme == "http" and host in LOOPBACK)):
            raise SettingsError("RATE_JWT_TRUSTED_JWKS must be an https URL, or the path of a file.")
        return cls(lambda: download(address))

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None when the issuer has none.

        Raises:
            IssuerAway: its keys have never been read, or not for so long that the ones that were count no more.
        """
        if kid not in self._keys or self._age() > FRESH_FOR_S:
            self._read()
        if self._age() > BELIEVED_FOR_S:
            raise IssuerAway("The keys of the token's issuer cannot be read right now.")
        return self._keys.get(kid)

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _read(self) -> None:
        """Read the list, unless it was tried a moment ago. Whoever comes meanwhile waits only if there is none yet."""
        if not self._reading.acquire(blocking=not self._keys):
            return
        try:
            if self._clock() - self._tried_at < REST_S:
                return
            self._tried_at = self._clock()
            self._keys, self._read_at = keys_in(self._fetch()), self._clock()
        except Unusable as error:
            log.warning("jwks.unusable", reason=str(error))
        finally:
            self._reading.release()


def keys_in(document: bytes) -> dict[str, Key]:
    """Return the keys of a JWK Set that can verify our algorithms, by their ids. Raises Unusable when there is none.

    Others, and broken ones, are passed over (RFC 7517 §5).
    """
    try:
        listed = json.loads(document)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Unusable("this is no JWK Set") from None
    found = [key_of(each) for each in listed[:MOST_KEYS]] if isinstance(listed, list) else []
    keys = {str(key.kid): key for key in found if key is not None}
    if not keys:
        raise Unusable("no key in it can be used")
    return keys


def key_of(jwk: object) -> Key | None:
    """Return the public key in a JWK, or None when it is not one to verify with."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or jwk.get("use", "sig") != "sig":
        return None
    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in ALGORITHMS or jwk.get("alg", ALGORITHMS[kind]) != ALGORITHMS[kind]:
        return None
    try:
        key = RSAKey.import_key(jwk) if kind == "RSA" else OKPKey.import_key(jwk)
        key.check_key_op("verify")
        fits = key.raw_value.key_size >= LEAST_RSA_BITS if isinstance(key, RSAKey) else key.curve_name == "Ed25519"
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if fits and algorithm(key) else None


def in_file(path: Path) -> bytes:
    """Return what the file holds. Raises Unusable."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"the file cannot be read: {error.strerror}") from None
    return bounded(content)


def download(url: str) -> bytes:
    """Return what is at the URL. Redirects are not followed, and proxies not asked. Raises Unusable."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=DEADLINE_S)
    try:
        connection.connect()
        # The time-out of a socket begins anew with every byte; this one does not.
        deadline = threading.Timer(DEADLINE_S, cut, [connection.sock])
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("GET", f"{parts.path or '/'}?{parts.query}".rstrip("?"))
            reply = connection.getresponse()
            if reply.status != 200:
                raise Unusable(f"the answer was {reply.status}")
            return bounded(reply.read(MOST_BYTES + 1))
        finally:
            deadline.cancel()
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        raise Unusable(f"it cannot be downloaded: {type(error).__name__}") from None
    finally:
        connection.close()


def cut(sock: socket.socket) -> None:
    """End the connection, whoever is reading from it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def bounded(content: bytes) -> bytes:
    """Return the content if it is not too large. Raises Unusable."""
    if len(content) > MOST_BYTES:
        raise Unusable(f"it is larger than {MOST_BYTES} bytes")
    return content
