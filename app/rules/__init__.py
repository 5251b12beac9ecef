"""The validation engine: an item and a rule set in, findings out.

Pure functions: no database, no clock, no network, nothing of the rest of `app`. An invalid item is a normal answer, so
`RuleSet.check` does not raise on any JSON value; an exception from it means that the engine itself is broken.
"""

from app.rules import builtin
from app.rules.errors import RuleSetError
from app.rules.findings import JSON, Finding, Severity, Suggestion
from app.rules.ruleset import RuleSet, compile_rules

__all__ = ["JSON", "Finding", "RuleSet", "RuleSetError", "Severity", "Suggestion", "builtin", "compile_rules"]
