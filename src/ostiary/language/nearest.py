"""The word a person probably meant. Used by every message about an unknown word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SHOWN: Final = 12


def did_you_mean(word: str, words: Iterable[str], kind: str) -> str:
    """A hint: the nearest of `words`, else the first of them; `kind` is what they are, plural."""
    known = sorted(set(words))
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if not known:
        return f"there are no {kind} yet"
    rest = "" if len(known) <= _SHOWN else f" and {len(known) - _SHOWN} more"
    return f"the {kind} are: {', '.join(known[:_SHOWN])}{rest}"
