"""What can be wrong with a rule set, as opposed to with an item."""


class RuleSetError(ValueError):
    """The definition cannot become a rule set. The text says where and why, for the author of the rules.

    `pointer` is a JSON Pointer (RFC 6901) into the definition. `line` and `column`, both from 1, are there when it
    points at an expression and the place in it is known.
    """

    def __init__(self, text: str, *, pointer: str = "", line: int | None = None, column: int | None = None) -> None:
        super().__init__(text)
        self.pointer = pointer
        self.line = line
        self.column = column
