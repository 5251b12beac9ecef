"""Gzip (RFC 1952): bodies that came in compressed, opened without ever holding more than is allowed.

A kilobyte can stand for a megabyte of zeros. So what comes out is counted while it comes out.
"""

import zlib

from werkzeug.exceptions import RequestEntityTooLarge

from app.errors import BadRequest

#: What `Content-Encoding` says; the second is an old name of the first (RFC 9110 §8.4.1.3).
NAMES = ("gzip", "x-gzip")
#: How many times its size a body may come to: JSON of the same item over and over stays well below.
MOST_RATIO = 100
#: However small a body is, it may come to this many bytes: nobody is hurt by those.
HARMLESS_BYTES = 65_536
#: Streams that may follow one another in a body (§2.2). Compressors that work in blocks write many, of 64 KiB or so.
MOST_MEMBERS = 1_000

#: For zlib: a gzip header and trailer, and the largest window there is.
WBITS = 16 + zlib.MAX_WBITS


def inflate(body: bytes, *, most: int) -> bytes:
    """Return what is in the body.

    Raises:
        RequestEntityTooLarge: it comes to more than `most` bytes, or to more than MOST_RATIO times its size.
        BadRequest: it is not gzip, or breaks off.
    """
    allowed = min(most, max(len(body) * MOST_RATIO, HARMLESS_BYTES))
    found, size = [], 0
    for _ in range(MOST_MEMBERS):
        member = zlib.decompressobj(WBITS)
        try:
            # One more than allowed, so that the end of a member which just fits is still read.
            found.append(member.decompress(body, allowed - size + 1))
        except zlib.error:
            raise broken() from None
        size += len(found[-1])
        if size > allowed:
            raise RequestEntityTooLarge(f"What is in the body may have {allowed:,} bytes at most.")
        if not member.eof:
            raise broken()
        body = member.unused_data
        if not body:
            return b"".join(found)
    raise broken()


def broken() -> BadRequest:
    """Return the error for a body that cannot be opened."""
    return BadRequest("The body cannot be opened as gzip.")
