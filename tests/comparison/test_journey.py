"""What a rule author does before publishing, from outside, with every process running."""

import httpx

from app.auth.scopes import Scope
from app.database import Database
from app.models import access
from app.settings import Settings
from tests.factories import issue_token
from tests.past import DRAFT, HUNDRED, NAME, PUBLISHED, add_judged
from tests.processes import Web, wait_for


def test_an_author_sees_what_a_draft_would_flip_before_it_is_published(web: Web, web_settings: Settings) -> None:
    database = Database.from_settings(web_settings, name="test")
    token = issue_token(database, client="toll author", scopes=(Scope.RULESETS_WRITE, Scope.RULESETS_READ))
    with database.transaction() as session:
        me = access.client(session, "toll author")
    add_judged(database, 900)
    own = add_judged(database, 100, client_id=me)
    database.close()

    with httpx.Client(base_url=web.url, headers={"Authorization": f"Bearer {token}"}, timeout=40) as client:
        # The author drafts a change to the rules.
        drafted = client.put(f"/api/rulesets/{NAME}/draft", json={"definition": {**PUBLISHED, "rules": DRAFT["rules"]}})
        assert drafted.status_code == 201, drafted.text

        # It is compared with all that there is, which is less than was asked for.
        begun = client.post(f"/api/rulesets/{NAME}/comparisons", json={"requests": 100_000})
        assert begun.status_code == 202, begun.text
        location = begun.headers["Location"]
        wait_for(lambda: "finished_at" in client.get(location).json(), timeout_s=60, what="the comparison's end")

        # The counts are exact, each flip has its rules, and examples are of what the author has sent.
        done = client.get(location).json()
        assert done["state"] == "done"
        assert done["progress"] == {"seen": 1_000, "total": 1_000}
        assert done["flips"] == {kind: 10 * count for kind, count in HUNDRED.items()}
        assert [rule["code"] for rule in done["rules"]] == [
            "rule.too_high",
            "rule.too_low",
            "rule.unlucky",
            "rule.round",
        ]
        assert {example["request_id"] for example in done["examples"]} <= {str(each) for each in own}
        assert done["examples"]

        # Nothing was published by that.
        assert client.get(f"/api/rulesets/{NAME}").json()["newest"] is None
