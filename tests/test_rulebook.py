"""The rulebook: names become versions, versions become compiled rule sets, and what is new is seen soon."""

from typing import Any

import pytest

from app.database import Database
from app.errors import RuleSetChanged, UnknownRuleSet
from app.models import rulesets
from app.rulebook import NEWEST_FOR_S, Rulebook
from tests.processes import wait_for


def definition(version: int, **more: Any) -> dict[str, Any]:
    """Return a small rule set."""
    return {"name": "tiny", "version": version, "title": "Tiny", "schema": {"type": "object"}, "rules": [], **more}


def publish(database: Database, version: int) -> None:
    """Publish a version of the small rule set."""
    with database.transaction() as session:
        rulesets.publish(session, definition(version))


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


def test_a_version_is_compiled_once(database: Database) -> None:
    publish(database, 1)
    rulebook = Rulebook()

    with database.transaction() as session:
        assert rulebook.get(session, "tiny@1") is rulebook.get(session, "tiny@1")


def test_a_published_version_cannot_change(database: Database) -> None:
    publish(database, 1)

    with pytest.raises(RuleSetChanged), database.transaction() as session:
        rulesets.publish(session, definition(1, title="Other"))


def test_publishing_the_same_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        assert rulesets.publish(session, definition(1))
        assert not rulesets.publish(session, dict(reversed(definition(1).items())))
