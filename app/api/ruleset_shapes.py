"""Shapes of what goes in and out where rule sets are written, tried and published."""

import marshmallow as ma
from marshmallow import validate

from app.api.openapi import Fault
from app.api.shapes import FindingShape
from app.rules.verdict import NextAction

#: Characters of the reason for a version.
LONGEST_NOTE = 500


class RuleSetVersion(ma.Schema):
    """One published version, but for its definition."""

    name = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    content_hash = ma.fields.String(required=True, metadata={"description": "SHA-256 of the definition, in hex."})
    published_at = ma.fields.DateTime(required=True)
    published_by = ma.fields.String(
        required=True, metadata={"description": "`client:<id>`, `cli`, or `release` for those that are built in."}
    )
    note = ma.fields.String(required=True, allow_none=True, metadata={"description": "Why it was published."})
    restores = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version whose content this one has again."}
    )
    links = ma.fields.Dict(required=True)


class RuleSetDefinition(RuleSetVersion):
    """One published version."""

    definition = ma.fields.Dict(required=True)


class RuleSetVersions(ma.Schema):
    """A page of versions, newest first."""

    items = ma.fields.List(ma.fields.Nested(RuleSetVersion), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


class RuleSetOverview(ma.Schema):
    """A rule set, by what is newest of it."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True, allow_none=True)
    version = ma.fields.Integer(required=True, allow_none=True, metadata={"description": "null: nothing published."})
    published_at = ma.fields.DateTime(required=True, allow_none=True)
    published_by = ma.fields.String(required=True, allow_none=True)
    has_draft = ma.fields.Boolean(required=True)
    links = ma.fields.Dict(required=True)


class RuleSetOverviews(ma.Schema):
    """A page of rule sets."""

    items = ma.fields.List(ma.fields.Nested(RuleSetOverview), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


class RuleSetShape(ma.Schema):
    """A rule set: its newest version, its draft, and a page of its versions."""

    class Meta:
        """The name it has in the description."""

        title = "RuleSet"

    name = ma.fields.String(required=True)
    newest = ma.fields.Nested(RuleSetDefinition, required=True, allow_none=True)
    has_draft = ma.fields.Boolean(required=True)
    versions = ma.fields.Nested(RuleSetVersions, required=True)
    links = ma.fields.Dict(required=True)


class DraftShape(ma.Schema):
    """What a rule set may become."""

    class Meta:
        """The name it has in the description."""

        title = "Draft"

    name = ma.fields.String(required=True)
    revision = ma.fields.UUID(required=True, metadata={"description": "Its ETag."})
    based_on = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that its author began with."}
    )
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)
    updated_by = ma.fields.String(required=True)
    definition = ma.fields.Dict(required=True)
    links = ma.fields.Dict(required=True)


class Writing(ma.Schema):
    """What a draft is to be."""

    definition = ma.fields.Dict(
        required=True,
        metadata={
            "description": "May be wrong until it is published. Its `version` says which one it was made from.",
            "example": {
                "name": "fee",
                "title": "A fee",
                "schema": {"type": "object", "required": ["price"]},
                "rules": [],
            },
        },
    )


class Why(ma.Schema):
    """The reason for a new version."""

    note = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=LONGEST_NOTE),
        metadata={"description": "It is kept with the version.", "example": "Prices above 0 only"},
    )


class CheckShape(ma.Schema):
    """What stands in the way of publishing a draft."""

    class Meta:
        """The name it has in the description."""

        title = "Check"

    revision = ma.fields.UUID(required=True, metadata={"description": "Of the draft that was checked."})
    ok = ma.fields.Boolean(required=True)
    problems = ma.fields.List(
        ma.fields.Nested(Fault),
        required=True,
        metadata={"description": "With line and column in `params` where an expression is wrong."},
    )
    examples = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "How many were tried; null: it does not compile."}
    )
    never_hit = ma.fields.List(
        ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "Ids of the rules that no example breaks."},
    )


class Changes(ma.Schema):
    """Which elements of a part of the definition changed, by id."""

    added = ma.fields.List(ma.fields.String(), required=True)
    removed = ma.fields.List(ma.fields.String(), required=True)
    changed = ma.fields.List(ma.fields.String(), required=True)


class DifferenceSummary(ma.Schema):
    """What changed, in the words of rule authors."""

    parts = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Members that differ."})
    rules = ma.fields.Nested(Changes, required=True)
    across = ma.fields.Nested(Changes, required=True)


class Difference(ma.Schema):
    """What makes one definition of another."""

    summary = ma.fields.Nested(DifferenceSummary, required=True)
    operations = ma.fields.List(
        ma.fields.Dict(), required=True, metadata={"description": "JSON Patch (RFC 6902): add, remove, replace."}
    )


class TriedRow(ma.Schema):
    """What the rules say of one row."""

    index = ma.fields.Integer(required=True, metadata={"description": "From 0, without header and blank lines."})
    line = ma.fields.Integer(required=True, allow_none=True, metadata={"description": "Of the file, from 1."})
    item = ma.fields.Raw(required=True, allow_none=True)
    next_action = ma.fields.String(required=True, validate=validate.OneOf([action.value for action in NextAction]))
    findings = ma.fields.List(ma.fields.Nested(FindingShape), required=True)


class TriedCode(ma.Schema):
    """How often one code was found."""

    code = ma.fields.String(required=True)
    severity = ma.fields.String(required=True)
    rows = ma.fields.Integer(required=True, metadata={"description": "Rows that have it at least once."})
    first_index = ma.fields.Integer(required=True)


class TriedSummary(ma.Schema):
    """What all rows come to."""

    rows = ma.fields.Integer(required=True)
    next_actions = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    codes = ma.fields.List(ma.fields.Nested(TriedCode), required=True)


class Trying(ma.Schema):
    """What a rule set says of the rows that it was tried on."""

    ruleset = ma.fields.String(required=True, metadata={"description": "`name@n`; without a version for a draft."})
    read = ma.fields.Integer(required=True, metadata={"description": "Rows of the file that the sample is from."})
    complete = ma.fields.Boolean(required=True, metadata={"description": "Whether those are all rows of the file."})
    in_time = ma.fields.Boolean(required=True, metadata={"description": "false: the last rows were not judged."})
    summary = ma.fields.Nested(TriedSummary, required=True)
    rows = ma.fields.List(ma.fields.Nested(TriedRow), required=True)


class Items(ma.Schema):
    """Items to try a rule set on."""

    items = ma.fields.List(
        ma.fields.Raw(allow_none=True),
        required=True,
        validate=validate.Length(min=1),
        metadata={"example": [{"price": "2.50"}]},
    )
