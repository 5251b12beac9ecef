"""Tracking: the errors and the traces of one process, each off until its address is set.

Their libraries are imported here and not at the top of the file: 50 MB and a second that nobody pays who has no use for
them.
"""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import spans
from app.settings import Settings

if TYPE_CHECKING:
    from app.telemetry.errors import Errors
    from app.telemetry.traces import Traces


@dataclass(frozen=True)
class Tracking:
    """What of the two this process has."""

    errors: Errors | None
    traces: Traces | None

    @classmethod
    def open(cls, settings: Settings, *, process: str) -> Tracking:
        """Return what the settings ask for, at work; it is closed when the process ends, at the latest.

        `process` is the part that it plays: `web`, `worker`, `clock`. Belongs after a fork.

        Raises:
            SettingsError: an address is none.
        """
        errors, traces = None, None
        if settings.sentry_dsn:
            from app.telemetry.errors import Errors

            errors = Errors(settings, process=process)
            errors.listen()
        if settings.otel_endpoint:
            from app.telemetry.traces import Traces

            traces = Traces.open(settings, process=process)
            spans.record(traces)
        tracking = cls(errors, traces)
        if errors or traces:
            atexit.register(tracking.close)
        return tracking

    def close(self) -> None:
        """Have everything sent that there is. Further calls change nothing."""
        atexit.unregister(self.close)
        if self.traces:
            spans.record(None)
            self.traces.close()
        if self.errors:
            self.errors.close()
