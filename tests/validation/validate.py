"""Predict every published fact that can be, and write what came out as a page.

``python -m tests.validation.validate`` (or ``make validate``) writes ``docs/validation.md`` whole.
Draws are kept under ``casts/validation``: a run that was stopped goes on where it was, and a
change of the code starts afresh. It reports, and changes nothing.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from castsim.errors import CastsimError
from geometry.levels import Level, Side
from tests.validation import (
    anatomy_facts,
    claims,
    exact,
    honeycomb,
    page,
    phantoms,
    sensitivity,
    studies,
)
from tests.validation.cut_plexus import heights
from tests.validation.page import Findings
from tests.validation.side_branch import past_balloon, past_balloon_across

T = TypeVar("T")

DRAWS, HELD_DRAWS, PHANTOMS, ANATOMIES, REVERSALS, RESTS = 128, 16, 24, 48, 24, 8


class Clock:
    """Says on stderr what is being done, how far it is and how long it will take."""

    QUIET_S = 60.0
    """Seconds between two lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def of(self, what: str) -> Callable[[int, int], None]:
        """Progress of one part: called with done and asked for."""
        began = told = time.monotonic()
        first = -1

        def tell(done: int, asked: int) -> None:
            nonlocal first, told
            now = time.monotonic()
            first = done if first < 0 else first
            if not (self._terminal or done == asked or now - told > self.QUIET_S):
                return
            told, spent, gained = now, now - began, done - first
            left = (
                f", {spent / gained * (asked - done):.0f} s left" if done < asked and gained else ""
            )
            line = f"{what}: {done} of {asked}, {spent:.0f} s{left}"
            start, end = ("\r", "\n" if done == asked else "") if self._terminal else ("", "\n")
            sys.stderr.write(f"{start}{line:<70}{end}")
            sys.stderr.flush()

        return tell


def gather(scale: float = 1.0) -> Findings:
    """Run everything; `scale` times as many of each as the page has."""
    clock = Clock()

    def times(count: int) -> int:
        return max(2, round(scale * count))

    arms = studies.run(studies.patients(), "patients", times(DRAWS), clock.of("patients"))
    held = sensitivity.lines(arms, times(HELD_DRAWS), clock.of("one number held"))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:

        def each(what: str, call: Callable[..., T], items: Sequence[Any]) -> list[T]:
            tell, found = clock.of(what), []
            tell(0, len(items))
            for one in pool.map(call, items):
                found.append(one)
                tell(len(found), len(items))
            return found

        hexagons = each("hexagons", anatomy_facts.hexagon, range(times(ANATOMIES)))
        strands = each("strands", anatomy_facts.widest_strand, range(times(ANATOMIES)))
        reversed_ = each("gradients", heights, range(times(REVERSALS)))
        rests = each("resting flow", anatomy_facts.rest, range(times(RESTS)))
        rooms = each("rooms", anatomy_facts.rooms, range(times(ANATOMIES)))
        nidi = each("honeycombs", honeycomb.honeycombs, range(times(PHANTOMS)))
        plain = each("balloons", past_balloon, range(times(PHANTOMS)))
        across = each("side branches", past_balloon_across, range(times(PHANTOMS)))
    predictions = [
        *claims.predictions(arms),
        *phantoms.anatomies(hexagons, strands, reversed_),
        *phantoms.honeycombs(nidi),
        phantoms.bifurcation(plain, across),
        *exact.predictions(),
    ]
    return Findings(
        predictions,
        arms,
        held,
        times(HELD_DRAWS),
        anatomy_facts.rest(None),
        rests,
        anatomy_facts.ways_between(Level.T8, Level.T9, Side.RIGHT),
        rooms,
    )


def main() -> int:
    """Predict and write."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.validation.validate", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="times as many draws; 1 is what the page has"
    )
    parser.add_argument("-o", "--output", type=Path, default=page.PAGE)
    given = parser.parse_args()
    began = time.monotonic()
    try:
        text = page.page(gather(given.scale))
    except CastsimError as error:  # Ctrl-C is one: what is finished is kept
        sys.stderr.write(f"\n{error}\n")
        return 1
    given.output.write_text(text, encoding="utf-8")
    sys.stderr.write(f"wrote {given.output} in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
