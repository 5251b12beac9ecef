"""Tokens: `rpt_`, 30 random characters of base62, and 6 that are their checksum. Nothing is stored here.

The prefix lets scanners find a leaked token; the checksum tells a typing mistake before the database is asked. The
random part has 178 bits, so the plain SHA-256 that is stored says nothing about it. Secrets of OAuth clients are of the
same form, with `rps_`.
"""

import hashlib
import re
import secrets
import zlib

PREFIX, SECRET_PREFIX = "rpt_", "rps_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: Characters of the random part, and of the checksum: 62 to the sixth is just more than 2 to the 32nd.
RANDOM, CHECKSUM = 30, 6

SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM + CHECKSUM}}}")
#: What stands in a log line where a token or a secret was.
BLOT = f"{PREFIX}[token]"
#: How JWTs begin: their first part is the JSON of an object, in base64.
JWT_BEGINS = "eyJ"
#: Whatever has to be kept out of logs: tokens, secrets and JWTs.
LEAK = re.compile(
    rf"(?:{PREFIX}|{SECRET_PREFIX})[0-9A-Za-z]{{{RANDOM + CHECKSUM}}}|{JWT_BEGINS}[\w-]{{8,}}\.[\w-]+\.[\w-]*", re.ASCII
)


def make(prefix: str = PREFIX) -> str:
    """Return a new token, or with SECRET_PREFIX a new secret."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    return body + checksum(body)


def is_sound(token: str) -> bool:
    """Return whether `token` is of the right form, checksum included; not whether it was ever issued."""
    return SHAPE.fullmatch(token) is not None and token[-CHECKSUM:] == checksum(token[:-CHECKSUM])


def blot(text: str) -> str:
    """Return the text with every token, secret and JWT in it made unreadable."""
    # Most texts have nothing that one could begin with, and to look for that takes a fifth of the time.
    if PREFIX in text or SECRET_PREFIX in text or JWT_BEGINS in text:
        return LEAK.sub(BLOT, text)
    return text


def digest(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def checksum(body: str) -> str:
    """Return the CRC-32 of everything before the checksum, in base62, padded with zeros."""
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
