"""Nearby: which of some known words somebody meant who wrote a slightly different one.

One edit is a letter too many, too few or another, or two neighbours swapped (optimal string alignment). Case and white
space around the word do not count. Time is bounded whatever the list: a long list is never walked through; each word
that is one edit away from what was written is looked up in it.
"""

from collections.abc import Collection, Iterator

from rapidfuzz import process
from rapidfuzz.distance import OSA

#: Lists up to this long are compared word by word (0.2 ms); in longer ones only words one edit away are found.
SHORT_LIST = 2_000
#: A word with fewer letters is one edit away from far too many others; one with more is not compared at all.
SHORTEST, LONGEST = 3, 60
#: From this many letters on, two edits still leave no doubt.
LONG_WORD = 8
#: Letters that are tried in a long list: enough for codes.
_MOST_LETTERS = 64


class Nearby:
    """Known words, ready to be searched."""

    def __init__(self, words: Collection[str]) -> None:
        self._folded: dict[str, str | None] = {}
        for word in words:
            folded = fold(word)
            # Two words that differ in case only: neither can be said to be the one that was meant.
            self._folded[folded] = None if folded in self._folded else word
        self._letters = sorted(set().union(*self._folded))[:_MOST_LETTERS]

    def same(self, word: str) -> str | None:
        """Return the one known word that `word` is, but for case and the white space around it, or None."""
        return self._folded.get(fold(word))

    def nearest(self, word: str) -> tuple[str, int] | None:
        """Return the one known word that is fewest edits away, and how many; None when it is too far or not alone."""
        folded = fold(word)
        if not SHORTEST <= len(folded) <= LONGEST:
            return None
        found = self._one_edit(folded) if len(self._folded) > SHORT_LIST else self._few_edits(folded)
        if len(found) != 1:
            return None
        ((meant, edits),) = found
        known = self._folded[meant]
        return None if known is None else (known, edits)

    def _few_edits(self, folded: str) -> list[tuple[str, int]]:
        most = 2 if len(folded) >= LONG_WORD else 1
        near = process.extract(folded, self._folded.keys(), scorer=OSA.distance, score_cutoff=most, limit=3)
        fewest = min((edits for _, edits, _ in near), default=0)
        return [(word, edits) for word, edits, _ in near if edits == fewest and len(word) >= SHORTEST]

    def _one_edit(self, folded: str) -> list[tuple[str, int]]:
        # Longer words would take longer, and long lists are of codes.
        tried = _edited(folded, self._letters) if len(folded) <= 2 * LONG_WORD else ()
        return [(word, 1) for word in {word for word in tried if word in self._folded and len(word) >= SHORTEST}]


def fold(word: str) -> str:
    """Return what is left of `word` when case and the white space around it do not count."""
    return word.strip().casefold()


def _edited(word: str, letters: Collection[str]) -> Iterator[str]:
    """Yield every word that is one edit away from `word`."""
    for index in range(len(word) + 1):
        before, after = word[:index], word[index:]
        yield from (before + letter + after for letter in letters)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in letters)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
