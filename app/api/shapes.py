"""Shapes of what goes in and out. Only the envelope of a request is checked here: the items are for the rules to judge.

What goes out is not made by these, they describe it; a test holds the two together.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import validate

from app.models.requests import Autofix, State
from app.models.responses import Verdict
from app.rules.verdict import NextAction

SOURCES = ("api", "extension", "importer")
AUTOFIXES = tuple(autofix.value for autofix in Autofix)
#: Characters of the name of a rule set, with its version.
LONGEST_NAME = 100


def a_list(value: Any) -> None:
    """Refuse what is not a list with something in it."""
    if not isinstance(value, list) or not value:
        raise ma.ValidationError("Must be a list of at least one item.")


#: What an item may look like.
ITEM = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842"}


class Submission(ma.Schema):
    """Items to be validated by a rule set: either `item` or `items`."""

    ruleset = ma.fields.String(
        required=True,
        validate=validate.Length(min=1, max=LONGEST_NAME),
        metadata={"description": "A published rule set: its newest version, or a certain one.", "example": "fx_rate@1"},
    )
    item = ma.fields.Raw(allow_none=True, metadata={"description": "One item, any JSON.", "example": ITEM})
    items = ma.fields.Raw(
        validate=a_list,
        metadata={"type": "array", "items": {}, "minItems": 1, "description": "Several items, any JSON each."},
    )
    source = ma.fields.String(load_default=SOURCES[0], validate=validate.OneOf(SOURCES))
    autofix = ma.fields.String(
        validate=validate.OneOf(AUTOFIXES),
        metadata={"description": "Correct what the rule set's normalisers can before judging; each fix is a finding."},
    )

    @ma.validates_schema
    def one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse both and neither of `item` and `items`."""
        if ("item" in data) == ("items" in data):
            raise ma.ValidationError("Give either item or items.")


_FIELDS = frozenset({"ruleset", "item", "items", "source", "autofix"})


def plain(sent: Any) -> dict[str, Any] | None:
    """Return what `Submission` makes of what was sent, if a glance shows that it is right; None when it may not be.

    For its price alone: the shape takes ten times as long. It is the one to say what is wrong.
    """
    if not isinstance(sent, dict) or not sent.keys() <= _FIELDS or ("item" in sent) == ("items" in sent):
        return None
    ruleset = sent.get("ruleset")
    if not isinstance(ruleset, str) or not 1 <= len(ruleset) <= LONGEST_NAME:
        return None
    if "items" in sent and not (isinstance(sent["items"], list) and sent["items"]):
        return None
    if "autofix" in sent and sent["autofix"] not in AUTOFIXES:
        return None
    submission = {"source": SOURCES[0], **sent}
    return submission if submission["source"] in SOURCES else None


def items_of(submission: Mapping[str, Any]) -> list[Any]:
    """Return the items of a submission that is of the right shape."""
    items: list[Any] = submission["items"] if "items" in submission else [submission["item"]]
    return items


class Links(ma.Schema):
    """Where to go on."""

    self = ma.fields.String(required=True)
    result = ma.fields.String(required=True)


class RequestState(ma.Schema):
    """Where a request is."""

    id = ma.fields.UUID(required=True)
    state = ma.fields.String(required=True, validate=validate.OneOf([state.value for state in State]))
    ruleset = ma.fields.String(required=True, metadata={"description": "With the version that judges."})
    source = ma.fields.String(required=True, validate=validate.OneOf(SOURCES))
    created_at = ma.fields.DateTime(required=True)
    finished_at = ma.fields.DateTime(metadata={"description": "Once it has ended."})
    reason = ma.fields.String(metadata={"description": "Why there is no verdict, when the state is failed."})
    retry_after = ma.fields.Integer(metadata={"description": "Seconds to wait before asking again, while pending."})
    links = ma.fields.Nested(Links, required=True)


class SuggestionShape(ma.Schema):
    """What would make a finding go away: an operation of JSON Patch (RFC 6902). Never applied unasked."""

    class Meta:
        """The name it has in the description, and the field that is no Python name."""

        title = "Suggestion"
        include: ClassVar = {
            "from": ma.fields.String(metadata={"description": "Only for `move`: where the value is (RFC 6901)."})
        }

    op = ma.fields.String(required=True, validate=validate.OneOf(["replace", "move"]))
    path = ma.fields.String(required=True, metadata={"description": "Where in the item (RFC 6901)."})
    value = ma.fields.Raw(metadata={"description": "Only for `replace`: what to write."})
    confidence = ma.fields.Float(required=True, validate=validate.Range(min=0, max=1))
    reason = ma.fields.String(required=True, validate=validate.OneOf(["trim", "case", "number", "near_miss"]))


class FindingShape(ma.Schema):
    """One thing that a rule has to say about an item."""

    class Meta:
        """The name it has in the description."""

        title = "Finding"

    pointer = ma.fields.String(required=True, metadata={"description": "Where in the item (RFC 6901)."})
    code = ma.fields.String(required=True)
    severity = ma.fields.String(required=True, validate=validate.OneOf(["error", "warning", "info"]))
    params = ma.fields.Dict(required=True)
    message = ma.fields.String(required=True)
    rule_id = ma.fields.String(required=True)
    suggestion = ma.fields.Nested(SuggestionShape)


NEXT_ACTION = {"description": "`accept` it, have a person `confirm` it, or `fix` it."}


class ItemAnswer(ma.Schema):
    """The verdict on one item."""

    index = ma.fields.Integer(required=True)
    verdict = ma.fields.String(required=True, validate=validate.OneOf([verdict.value for verdict in Verdict]))
    next_action = ma.fields.String(
        required=True, validate=validate.OneOf([action.value for action in NextAction]), metadata=NEXT_ACTION
    )
    findings = ma.fields.List(ma.fields.Nested(FindingShape), required=True)
    fixed = ma.fields.Raw(metadata={"description": "The item as it was judged, where autofix corrected it."})


def verdict(*, always: bool) -> dict[str, ma.fields.Field[Any]]:
    """Return the fields that are a verdict, for an answer that has one `always`, or only once it is there."""
    return {
        "verdict": ma.fields.String(required=always, validate=validate.OneOf([verdict.value for verdict in Verdict])),
        "next_action": ma.fields.String(
            required=always, validate=validate.OneOf([action.value for action in NextAction]), metadata=NEXT_ACTION
        ),
        "item_count": ma.fields.Integer(required=always),
        "invalid_count": ma.fields.Integer(required=always),
        "duration_ms": ma.fields.Float(required=always, metadata={"description": "Time the rules took."}),
        "tables": ma.fields.Dict(
            required=always,
            keys=ma.fields.String(),
            values=ma.fields.Integer(),
            metadata={"description": "Versions of the reference tables that judged."},
        ),
        "items": ma.fields.List(ma.fields.Nested(ItemAnswer), required=always),
    }


class Answer(RequestState):
    """A request that has ended. The last seven are there when its state is done."""

    class Meta:
        """The fields that a dry run has as well."""

        include: ClassVar = verdict(always=False)


class DryAnswer(ma.Schema):
    """The verdict on items of which nothing is stored: as in an answer, without what belongs to a request."""

    class Meta:
        """The fields that an answer has as well."""

        include: ClassVar = verdict(always=True)

    ruleset = ma.fields.String(required=True, metadata={"description": "With the version that judged."})
