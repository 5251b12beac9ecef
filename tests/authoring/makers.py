"""Small rule sets, for tests that write and publish some."""

from typing import Any


def definition(name: str = "tiny", **more: Any) -> dict[str, Any]:
    """Return a rule set about one number, with an example for each end."""
    return {
        "name": name,
        "title": "Tiny",
        "schema": {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
        "rules": [rule("positive", "item.amount > 0")],
        "examples": [
            {"title": "good", "item": {"amount": 1}, "findings": []},
            {"title": "zero", "item": {"amount": 0}, "findings": [{"code": "rule.positive", "pointer": "/amount"}]},
        ],
        **more,
    }


def rule(name: str, expr: str, **more: Any) -> dict[str, Any]:
    """Return a rule about the amount."""
    return {"id": name, "expr": expr, "message": "No.", "severity": "error", "pointer": "/amount", **more}
