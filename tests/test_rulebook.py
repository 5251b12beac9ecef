"""The rulebook: names become versions, versions become compiled rule sets, and what is new is seen soon."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from app import reference
from app.database import Database
from app.errors import RuleSetChanged, UnknownRuleSet
from app.models import rulesets
from app.rulebook import NEWEST_FOR_S, Rulebook
from app.rules import RuleSet
from app.validation import judge
from tests.processes import wait_for


def definition(version: int, **more: Any) -> dict[str, Any]:
    """Return a small rule set."""
    return {"name": "tiny", "version": version, "title": "Tiny", "schema": {"type": "object"}, "rules": [], **more}


def publish(database: Database, version: int) -> None:
    """Publish a version of the small rule set."""
    with database.transaction() as session:
        rulesets.publish(session, definition(version))


def load(database: Database, *codes: str) -> None:
    """Load a table of these ports."""
    with database.transaction() as session:
        rows = reference.read("\n".join(["code", *codes]).encode(), reference.Format.CSV)
        reference.load(session, "ports", rows, source="test", by="cli")


def publish_listed(database: Database, source: str) -> None:
    """Publish a rule set that wants a port to be in the table."""
    rule = {"id": "port", "expr": "item.port.listed", "message": "Unknown.", "severity": "error", "pointer": "/port"}
    listed = {"tables": {"known": source}, "facts": {"/port": {"listed": "known"}}, "rules": [rule]}
    with database.transaction() as session:
        rulesets.publish(session, definition(1, **listed))


def resolve(rulebook: Rulebook, database: Database, name: str) -> str:
    """Return what the rulebook makes of the name."""
    with database.transaction() as session:
        return rulebook.resolve(session, name)


def test_a_bare_name_is_its_newest_version(database: Database) -> None:
    publish(database, 1)
    publish(database, 2)

    assert resolve(Rulebook(), database, "tiny") == "tiny@2"


def test_a_version_is_itself(database: Database) -> None:
    publish(database, 1)
    publish(database, 2)

    assert resolve(Rulebook(), database, "tiny@1") == "tiny@1"


@pytest.mark.parametrize("name", ["", "nobody", "tiny@9", "tiny@", "tiny@x", "tiny@-1", "tiny@1@1", "tiny@99999999999"])
def test_what_is_not_published_is_unknown(database: Database, name: str) -> None:
    publish(database, 1)

    with pytest.raises(UnknownRuleSet):
        resolve(Rulebook(), database, name)


def test_a_new_version_is_seen_soon(database: Database) -> None:
    publish(database, 1)
    rulebook = Rulebook()
    assert resolve(rulebook, database, "tiny") == "tiny@1"

    publish(database, 2)

    wait_for(lambda: resolve(rulebook, database, "tiny") == "tiny@2", timeout_s=NEWEST_FOR_S + 5)


def test_half_way_the_newest_version_is_asked_for_anew_and_nobody_waits_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rulebook.NEWEST_FOR_S", 600.0)
    monkeypatch.setattr("app.rulebook.ASK_AFTER_S", 600.0)
    publish(database, 1)
    rulebook = Rulebook()
    assert rulebook.named(database, "tiny") == "tiny@1"
    publish(database, 2)
    assert rulebook.named(database, "tiny") == "tiny@1"

    asked: list[threading.Thread] = []
    ask = Rulebook._named

    def asking(*of: Any) -> str:
        asked.append(threading.current_thread())
        return ask(*of)

    monkeypatch.setattr(Rulebook, "_named", asking)
    rulebook._ask_at["ruleset", "tiny"] = time.monotonic()

    assert rulebook.named(database, "tiny") == "tiny@1"
    wait_for(lambda: rulebook.named(database, "tiny") == "tiny@2", what="the new version")
    assert len(asked) == 1
    assert asked[0] is not threading.current_thread()


def test_a_version_is_compiled_once(database: Database) -> None:
    publish(database, 1)
    rulebook = Rulebook()

    with database.transaction() as session:
        assert rulebook.get(session, "tiny@1") is rulebook.get(session, "tiny@1")


def test_texts_are_those_of_the_version_and_need_no_compiling(database: Database) -> None:
    with database.transaction() as session:
        rulesets.publish(session, definition(1, across=[{"id": "once", "message": "Twice."}], tables={"a": "nowhere"}))
    rulebook = Rulebook()

    assert rulebook.texts(database, "tiny@1") == {"across.once": {"en": "Twice."}}
    with pytest.raises(UnknownRuleSet):
        rulebook.texts(database, "tiny@2")


def test_many_threads_may_ask_at_once(database: Database) -> None:
    publish(database, 1)
    rulebook = Rulebook()

    def get(_: int) -> RuleSet:
        with database.autocommit() as session:
            return rulebook.get(session, rulebook.resolve(session, "tiny"))

    with ThreadPoolExecutor(4) as pool:
        assert {ruleset.ref for ruleset in pool.map(get, range(20))} == {"tiny@1"}


@pytest.mark.parametrize(("source", "version"), [("ports@1", 1), ("ports", 2)])
def test_the_tables_that_judged_are_known(database: Database, source: str, version: int) -> None:
    load(database, "NLRTM")
    load(database, "NLRTM", "DEHAM")
    publish_listed(database, source)

    with database.transaction() as session:
        judgement = judge(Rulebook().get(session, "tiny@1"), [{"port": "DEHAM"}])

    assert judgement.tables == {"ports": version}
    assert bool(judgement.findings) == (version == 1)


def test_a_new_table_is_used_soon(database: Database) -> None:
    load(database, "NLRTM")
    publish_listed(database, "ports")
    rulebook = Rulebook()

    def tables() -> Mapping[str, int]:
        with database.autocommit() as session:
            return rulebook.get(session, "tiny@1").tables

    assert tables() == {"ports": 1}
    load(database, "DEHAM")

    wait_for(lambda: tables() == {"ports": 2}, timeout_s=NEWEST_FOR_S + 5)


def test_what_is_the_newest_is_not_asked_for_each_item(database: Database) -> None:
    load(database, "NLRTM")
    publish_listed(database, "ports")
    rulebook = Rulebook()
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    with database.autocommit() as session:
        started = time.monotonic()
        for _ in range(500):
            rulebook.get(session, rulebook.resolve(session, "tiny"))

    # What compiles it, and then one look a second at each of the two names.
    assert len(asked) < 15 + 2 * (time.monotonic() - started)


def test_a_version_has_one_name(database: Database) -> None:
    publish(database, 1)

    assert resolve(Rulebook(), database, "tiny@01") == "tiny@1"


def test_a_published_version_cannot_change(database: Database) -> None:
    publish(database, 1)

    with pytest.raises(RuleSetChanged), database.transaction() as session:
        rulesets.publish(session, definition(1, title="Other"))


def test_publishing_the_same_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        assert rulesets.publish(session, definition(1))
        assert not rulesets.publish(session, dict(reversed(definition(1).items())))
