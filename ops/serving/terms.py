"""Terms: what all requests that come to one address have in common, worked out once."""

from dataclasses import dataclass
from typing import Any, Self

from gunicorn.config import Config
from gunicorn.http import message, wsgi


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings by which requests are read, and what their environs share."""

    #: Gunicorn's settings, for its own parser.
    cfg: Config
    #: The address as gunicorn names it: host, port, …
    address: tuple[Any, ...]
    #: What is the same in each environ (PEP 3333).
    environ: dict[str, Any]
    #: Of the fields by which a trusted proxy tells how it was called, each with the value that means HTTPS.
    schemes: tuple[tuple[str, str], ...]
    #: An open connection may be silent for so long; 0: each has one request.
    keepalive_s: float
    #: A plain request is no longer than this, in characters and fields; longer ones are measured by gunicorn.
    most_line: int
    most_fields: int
    most_head: int

    @classmethod
    def of(cls, cfg: Config, address: tuple[Any, ...]) -> Self:
        """Return the terms that these settings make for this address."""
        environ = {
            **wsgi.base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SERVER_NAME": address[0],
            "SERVER_PORT": str(address[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
        }
        schemes = ((f"HTTP_{name.replace('-', '_')}", secure) for name, secure in cfg.secure_scheme_headers.items())
        return cls(
            cfg,
            address,
            environ,
            tuple(schemes),
            keepalive_s=cfg.keepalive,
            most_line=least(cfg.limit_request_line, message.MAX_REQUEST_LINE),
            most_fields=least(cfg.limit_request_fields, message.MAX_HEADERS),
            most_head=least(cfg.limit_request_field_size, message.DEFAULT_MAX_HEADERFIELD_SIZE),
        )

    def trusts(self, address: tuple[Any, ...]) -> bool:
        """Return whether a client of this address may say how it was called itself."""
        trusted: bool = message._ip_in_allow_list(
            address[0], self.cfg.forwarded_allow_ips, self.cfg.forwarded_allow_networks()
        )
        return trusted


def least(limit: int, otherwise: int) -> int:
    """Return the limit, or the other one where there is none (0 or less) or it is greater."""
    return min(limit, otherwise) if limit > 0 else otherwise
