"""The operators' command: `python -m broker --url redis://… queues`.

Tables for a person at a terminal, JSON for everything else. Exit codes: 0 done, 1 not done, 2 not understood.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from broker import commands, tables
from broker.commands import Desk, Refused
from broker.streams import RedisStreamsBroker

_ABOUT = """Look at the queues of a RedisStreamsBroker, and act on them.
The server is named by --url alone; no environment variable is read."""


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say; return the exit code. Raises SystemExit when they make no sense."""
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        broker = RedisStreamsBroker(url=arguments.url, namespace=arguments.namespace, middleware=[])
    except (ValueError, TypeError) as error:
        parser.error(tables.plain(error))
    desk = Desk(broker, lambda question: _confirm(question, yes=getattr(arguments, "yes", False)))
    try:
        shown = arguments.run(desk, arguments)
    except Refused as refusal:
        return _fail(refusal, refusal.code)
    except (BrokerConnectionError, RedisError, ValueError) as error:
        return _fail(error, 1)
    finally:
        broker.close()
    print(json.dumps(shown.json, default=repr) if arguments.json or not sys.stdout.isatty() else shown.text)
    return 0


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused("this needs --yes where nobody can be asked", 2)
    try:
        answer = input(f"{tables.plain(question)} Go on? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise Refused("nothing done")


def _fail(error: Exception, code: int) -> int:
    print(f"broker: {tables.plain(error)}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m broker", description=_ABOUT)
    schemes = "redis, rediss (TLS), unix, redis+sentinel or redis+cluster"
    parser.add_argument("--url", required=True, help=f"the server's: {schemes} (the environment is not read)")
    parser.add_argument("--namespace", default="", help="the broker's namespace")
    parser.add_argument("--json", action="store_true", help="JSON at a terminal too")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(group: Any, name: str, run: Any, *, queue: bool = True) -> argparse.ArgumentParser:
        found: argparse.ArgumentParser = group.add_parser(name, help=run.__doc__, parents=[shared])
        found.set_defaults(run=run)
        if queue:
            found.add_argument("queue", metavar="QUEUE")
        return found

    command(verbs, "queues", commands.queues, queue=False)
    command(verbs, "workers", commands.workers, queue=False)
    peek = _paged(command(verbs, "peek", commands.peek))
    peek.add_argument("--delayed", action="store_true", help="those that are not due yet")
    command(verbs, "pause", commands.pause)
    command(verbs, "resume", commands.resume)
    cancel = command(verbs, "cancel", commands.cancel)
    cancel.add_argument("message_id", metavar="MESSAGE_ID")
    _sure(cancel)
    dead = verbs.add_parser("dead", help="Dead letters.").add_subparsers(required=True, metavar="COMMAND")
    _filtered(_paged(command(dead, "list", commands.dead_list)))
    command(dead, "show", commands.dead_show).add_argument("id", metavar="ID")
    replay = _filtered(_chosen(command(dead, "replay", commands.dead_replay)))
    replay.add_argument("--rate", type=_positive, metavar="N", help="at most so many a second")
    purge = _chosen(command(dead, "purge", commands.dead_purge))
    purge.add_argument("--older-than", type=_positive, metavar="HOURS", help="those that died longer ago")
    return parser


def _paged(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--cursor", help="go on where a page ended")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="page size, at most 500 (50)")
    return parser


def _filtered(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--actor", help="those of one actor")
    parser.add_argument("--reason", help="failed, poison, undecodable or unknown_actor")
    return parser


def _chosen(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--all", action="store_true", help="every one")
    return _sure(parser)


def _sure(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
