"""Authoring: how rule sets come about: drafted, checked, tried, published, restored.

Rule sets belong to the platform, not to a client. Every change leaves a row in the audit trail, in its own transaction.
"""

from app.authoring.drafts import NAME, create, discard, replace
from app.authoring.drafts import find as draft
from app.authoring.publishing import Check, Outcome, check, find, publish, publish_draft, restore, usable
from app.authoring.samples import Row, Sample
from app.authoring.trying import Tried, judge, summary

__all__ = [
    "NAME",
    "Check",
    "Outcome",
    "Row",
    "Sample",
    "Tried",
    "check",
    "create",
    "discard",
    "draft",
    "find",
    "judge",
    "publish",
    "publish_draft",
    "replace",
    "restore",
    "summary",
    "usable",
]
