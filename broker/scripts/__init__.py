"""The Lua scripts, one constant each: every step at Redis that must happen whole or not at all.

The files beside this one open with their keys, arguments and result. `-- include: name` puts
another file in that place. Running a script never retries, so a lost reply shows as an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from broker.calls import Text, call

_INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the SHA-1 that Redis knows it by (https://redis.io/commands/evalsha)."""

    source: str
    sha: str

    def __call__(self, client: Any, keys: Sequence[Text], args: Sequence[Text]) -> Any:
        """Return the script's raw reply; Redis is taught the script when it does not know it yet."""
        try:
            return call(client, "EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return call(client, "EVAL", self.source, len(keys), *keys, *args)


def _read(name: str) -> str:
    text = (resources.files(__name__) / name).read_text("utf-8")
    return _INCLUDE.sub(lambda match: _read(match[1]), text)


def _script(name: str) -> Script:
    source = _read(name)
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


TURN = _script("turn.lua")
PLACE = _script("place.lua")
FIND = _script("find.lua")
WITHDRAW = _script("withdraw.lua")
RECLAIM = _script("reclaim.lua")
RENEW = _script("renew.lua")
HANDBACK = _script("handback.lua")
START = _script("start.lua")
DEPART = _script("depart.lua")
SIZE = _script("size.lua")
FLUSH = _script("flush.lua")
STATUS = _script("status.lua")
WORKERS = _script("workers.lua")
PEEK = _script("peek.lua")
UPCOMING = _script("upcoming.lua")
REPLAY = _script("replay.lua")
PURGE = _script("purge.lua")
NOW = _script("now.lua")
RECORD = _script("record.lua")
