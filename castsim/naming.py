"""Names that people type: exact, near, or unknown with a suggestion."""

from collections.abc import Iterable
from difflib import get_close_matches

from castsim.errors import ScenarioError


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or nothing."""
    by_fold = {name.casefold(): name for name in known}
    plain = given.casefold()
    near = get_close_matches(plain, by_fold, n=1, cutoff=0.6)
    near = near or [fold for fold in by_fold if len(plain) > 2 and fold.startswith(plain)]
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


def match_name(given: str, known: Iterable[str], what: str) -> str:
    """Return the known name that equals `given`, ignoring letter case and extra spaces.

    Raises
    ------
    ScenarioError
        Naming `what` it should have been, the nearest name and all that are allowed.
    """
    names = tuple(known)
    plain = " ".join(given.split()).casefold()
    for name in names:
        if name.casefold() == plain:
            return name
    suggestion = did_you_mean(given, names)
    raise ScenarioError(f"unknown {what} {given!r}{suggestion or ';'} allowed: {', '.join(names)}")
