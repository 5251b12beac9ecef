"""A collector of what processes report, over real HTTP: errors as Sentry's envelopes, spans as OTLP."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """A server at `url` that remembers what it was sent."""

    def __init__(self) -> None:
        #: Path and body of every request, the bodies unzipped.
        self.taken: list[tuple[str, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self.taken))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.dsn = f"http://key@127.0.0.1:{self._server.server_port}/1"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The errors, as they came."""
        return [event for path, body in self.taken if path == "/api/1/envelope/" for event in events(body)]

    @property
    def spans(self) -> list[Span]:
        """The spans, as they came."""
        return [span for path, body in self.taken if path == "/v1/traces" for span in spans(body)]

    @property
    def text(self) -> str:
        """All that was sent."""
        return "\n".join(body.decode("latin-1") for _, body in self.taken)

    def __enter__(self) -> Self:
        often = {"poll_interval": 0.01}  # It looks so often whether it is to end.
        threading.Thread(target=self._server.serve_forever, name="collector", kwargs=often, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def handler(taken: list[tuple[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    """Return what takes requests down in `taken`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def events(envelope: bytes) -> list[dict[str, Any]]:
    """Return the events of an envelope: after its first line, a line of header and a line of content each."""
    lines = envelope.splitlines()[1:]
    items = zip(lines[::2], lines[1::2], strict=True)
    return [json.loads(content) for header, content in items if json.loads(header)["type"] == "event"]


def spans(body: bytes) -> list[Span]:
    """Return the spans of an export."""
    request = ExportTraceServiceRequest.FromString(body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
