"""What can be wrong with a rule set, as opposed to with an item."""


class RuleSetError(ValueError):
    """The definition cannot become a rule set. The text says where and why, for the author of the rules."""
