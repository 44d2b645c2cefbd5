"""The nearest of the known names to a mistyped one, for the end of an error's line."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" with the known name nearest to `name`, and "" where none is near.

    >>> nearest("treshold", ["threshold", "tau"])
    '; did you mean threshold?'
    >>> nearest("colour", ["threshold", "tau"])
    ''
    """
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[matches[0]]}?" if matches else ""
