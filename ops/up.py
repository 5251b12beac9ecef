"""`ops/up`: the whole platform on this machine, from nothing to answered samples, then until Ctrl-C.

Servers out of wheels stand in where DATABASE_URL or REDIS_URL is not set; what runs is what the Procfile says. All that
one run leaves, its logs too, lies in one folder under .local/, and the next run goes on with it.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import redis

from app.settings import Settings
from broker import connect
from ops import formation, leash, run, sample_run, samples
from ops.embedded import PostgresServer, RedisServer, Server, ServerFailed
from ops.formation import Formation
from ops.samples import Sample
from ops.venv import ROOT, say

READY_S = 60.0
POLL_S = 0.1
#: What the developer's token may do.
SCOPES = (
    "validations:write",
    "validations:read",
    "rulesets:write",
    "rulesets:read",
    "reference:write",
    "reference:read",
    "audit:read",
    "metrics:read",
    "status:read",
)

#: What the curl example sends: a currency that was withdrawn before the rate's date.
FX_RATE = {"date": "2026-11-20", "base": "EUR", "quote": "HRK", "rate": "7.5345"}


class Failed(Exception):
    """A step did not succeed; the message is for people."""


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 when every sample was answered as expected."""
    parser = argparse.ArgumentParser(prog="ops/up", description="Run the whole platform on this machine.")
    parser.add_argument("--once", action="store_true", help="stop after the samples, instead of serving until Ctrl-C")
    parser.add_argument("--samples", type=int, metavar="N", help="put about N of the samples through, not all of them")
    options = parser.parse_args(argv)
    # As an exception, so that what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with ExitStack() as stack:
            return up(stack, once=options.once, amount=options.samples)
    except (Failed, ServerFailed, run.NoPlace) as error:
        print(f"ops/up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def up(stack: ExitStack, *, once: bool, amount: int | None) -> int:
    """Start everything, one step after the other, and run it; what was started ends with the stack."""
    folder = stack.enter_context(run.folder(ROOT / ".local"))
    port = stack.enter_context(run.port(wanted_port()))
    env = environment(port)
    embedded = {}
    if not env.get("DATABASE_URL"):
        embedded["DATABASE_URL"] = start(stack, PostgresServer(folder / "postgres"))
    if not env.get("REDIS_URL"):
        embedded["REDIS_URL"] = start(stack, RedisServer(folder / "redis"))
    env |= embedded
    commands = formation.read(ROOT / "Procfile")
    release(commands.pop("release"), env)
    ask_redis(env)
    sheet = few(samples.load(), amount)
    url = f"http://127.0.0.1:{port}"
    return Visit(commands, env, sheet, embedded=embedded, logs=folder / "log", url=url, once=once).run()


def few(sheet: Sequence[Sample], amount: int | None) -> Sequence[Sample]:
    """Return so many of the samples, of each part of the sheet as many as it has; all of them for None."""
    return sheet if amount is None else sheet[:: max(1, len(sheet) // max(1, amount))]


def wanted_port() -> int | None:
    """PORT, when it is set. Raises Failed when it is not a number."""
    text = os.environ.get("PORT")
    if text and not text.isdecimal():
        raise Failed(f"PORT must be a number, not {text!r}.")
    return int(text) if text else None


def environment(port: int) -> dict[str, str]:
    """What the processes see: ours, and for gunicorn what suits a laptop better than a platform."""
    return {
        "WEB_CONCURRENCY": "2",
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PORT": str(port),
        # Nobody outside this machine, and no waiting on Ctrl-C for a browser that keeps its connection.
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --keep-alive 2 --graceful-timeout 5",
    }


def start(stack: ExitStack, server: Server) -> str:
    """Return the url of an embedded server that answers now and is stopped with the stack."""
    started = time.monotonic()
    url = stack.enter_context(server).url
    took = time.monotonic() - started
    say(f"{server.name} answers on port {server.port} ({took:.1f} s), data in {shown(server.data)}")
    return url


def release(command: str, env: dict[str, str]) -> None:
    """The Procfile's release line has been run. Raises Failed with what it said."""
    say(f"release: {command}")
    output = run_quietly(["/bin/sh", "-c", command], env)
    for line in output.splitlines():
        say(f"  {line}")


def ask_redis(env: dict[str, str]) -> None:
    """Redis has answered. Raises Failed: the platform would take the samples and be right to wait with its verdicts."""
    try:
        with closing(connect(Settings.from_env(env).redis_url)) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise Failed(f"No Redis answers at REDIS_URL: {error}") from error


def development_token(env: dict[str, str]) -> str:
    """Return a new token with every scope that a developer needs."""
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "tokens", "create", "--json"]
    owner = ["--client", "development", "--name", "development"]
    output = run_quietly([*flask, *owner, *(word for scope in SCOPES for word in ("--scope", scope))], env)
    token: str = json.loads(output.splitlines()[-1])["token"]
    return token


def run_quietly(command: Sequence[str], env: dict[str, str]) -> str:
    """Return what a command printed on standard output. Raises Failed with all of it when it did not succeed."""
    prefix = leash.command(signal.SIGTERM)
    done = subprocess.run([*prefix, *command], env=env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)} failed:\n{done.stderr}{done.stdout}")
    return done.stdout


def shown(path: Path) -> str:
    """Return the path as seen from the project's folder."""
    return str(path.relative_to(ROOT))


class Visit:
    """A formation and its first visitor: a thread that waits for the web process and puts the samples through it."""

    def __init__(
        self,
        commands: dict[str, str],
        env: dict[str, str],
        sheet: Sequence[Sample],
        *,
        embedded: dict[str, str],
        logs: Path,
        url: str,
        once: bool,
    ) -> None:
        self._env = env
        self._sheet = sheet
        self._embedded = embedded
        self._url = url
        self._once = once
        # A thread of its own, because honcho's loop handles signals and so must have the main one.
        visitor = threading.Thread(target=self._visit, name="visitor", daemon=True)
        self._formation = Formation(commands, env=env, logs=logs, on_start=visitor.start)
        self._problem: str | None = None
        self._answered = False

    def run(self) -> int:
        """Return the exit code once everything has ended. Raises Failed when something was wrong."""
        say(f"Starting {', '.join(self._formation.names)}; logs in {shown(self._formation.log.folder)}")
        self._formation.run()
        if self._formation.fallen:
            name, code = self._formation.fallen
            raise Failed(f"{name} ended by itself with exit code {code}. {self._formation.log.last_words(name)}")
        if self._problem:
            raise Failed(self._problem)
        return 0 if self._answered else int(self._formation.returncode)

    def _visit(self) -> None:
        try:
            self._problem = self._look_around()
            self._answered = True
        except (Failed, httpx.HTTPError) as error:
            if not self._formation.stopping:  # else it is only what one sees of a house that is closing
                self._problem = str(error)
            self._formation.terminate()
        if self._once:
            self._formation.terminate()

    def _look_around(self) -> str | None:
        """Return what was wrong with the answers, if anything."""
        token = development_token(self._env)  # takes its seconds while the web process takes its own
        self._wait_until_ready()
        say(f"{self._url} is ready; putting {len(self._sheet)} samples through it")
        answers = sample_run.run(self._url, token, self._sheet)
        print(*sample_run.report(answers), sep="\n", flush=True)
        wrong = sum(not each.is_right for each in answers)
        if not self._once:
            self._invite(token)
        return f"{wrong} of {len(answers)} samples got a wrong answer" if wrong else None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        with httpx.Client() as client:  # one for all, since to make one takes more time than to ask
            while time.monotonic() < deadline:
                try:
                    if client.get(f"{self._url}/readyz").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass  # nobody listens yet
                time.sleep(POLL_S)
        raise Failed(f"{self._url}/readyz did not become ready. {self._formation.log.last_words('web')}")

    def _invite(self, token: str) -> None:
        body = json.dumps({"ruleset": "fx_rate", "item": FX_RATE})
        say(f"Serving on {self._url} until Ctrl-C, with the API's documentation on {self._url}/api/docs")
        say("A token for development, and what to do with it:")
        print(
            f"""
export URL={self._url} TOKEN={token}
curl $URL/api/validation/validate -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H 'Prefer: wait=20' -d '{body}'
""",
            flush=True,
        )
        # Only our own: those that were set are known already, and may be secret.
        servers = "".join(f" {name}='{url}'" for name, url in self._embedded.items())
        say("And the platform's own commands, such as flask --app wsgi tokens list:")
        print(f"\nexport PATH={Path(sys.executable).parent}:$PATH{servers}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
