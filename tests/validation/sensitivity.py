"""What the paired runs hang on: one parameter of agent and skin at a time, low and high.

The same patients and disorder in every case. ``python -m tests.validation.sensitivity --draws 40``
prints the table of docs/validation.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from castsim.agents import AgentModel, load_agent
from castsim.scenario import Scenario
from castsim.tables import read_priors
from tests.validation.intervals import ratio_interval
from tests.validation.paired import ARMS, COVERED, VISIBLE, Outcome, outcomes_of

FAMILY = "EVOH"
USED = ("foraminal", "foraminal without links", "segmental", "segmental without links")
Case = tuple[str, float]
"""Parameter of the agent and its value; the empty name: all at their medians."""


def cases() -> list[Case]:
    """The medians, then both ends of each prior (95 % of it lie between)."""
    found: list[Case] = [("", np.nan)]
    for name, prior in read_priors(FAMILY).items():
        if hasattr(load_agent("Onyx 18"), name) and name != "wall_strength":
            found += [(name, prior.low), (name, prior.high)]
    return found


def rows_of(case: Case, draws: Sequence[int]) -> list[Outcome]:
    """All arms of these patients in one case."""
    name, value = case
    given = {name: value} if name else {}
    plain = Scenario.agent_model

    def changed(scenario: Scenario) -> AgentModel:
        return replace(plain(scenario), **given)

    Scenario.agent_model = changed  # type: ignore[method-assign]
    try:
        return [row for draw in draws for row in outcomes_of(draw, USED)]
    finally:
        Scenario.agent_model = plain  # type: ignore[method-assign]


def line(case: Case, rows: Sequence[Outcome]) -> str:
    """One row of the table."""
    arm = {name: [row for row in rows if row.arm == name and not row.error] for name in USED}
    cells = ["all at their medians" if not case[0] else f"{case[0]} {case[1]:g}"]
    for tip in ("foraminal", "segmental"):
        here = arm[tip]
        cells.append(f"{np.median([r.coverage_deg / r.coverable_deg for r in here]):.2f}")
        cells.append(f"{np.mean([np.isfinite(r.covered_at) for r in here]):.2f}")
        cells.append(f"{np.median([r.azygos for r in here]):.2f}")
        cells.append(f"{np.mean([r.spread >= VISIBLE / 1000 for r in here]):.2f}")
        bare = {row.draw: row.spread for row in arm[f"{tip} without links"]}
        both = [(bare[r.draw], r.spread) for r in here if r.draw in bare]
        left, low, high = ratio_interval(*zip(*both, strict=True))
        cells.append(f"{left:.2g} ({low:.2g}–{high:.2g})")
    cells.append(f"{np.mean([r.basivertebral >= VISIBLE / 1000 for r in arm['foraminal']]):.2f}")
    return "| " + " | ".join(cells) + " |\n"


HEAD = ["case"]
for _tip in ("foraminal", "segmental"):
    HEAD += [
        f"{_tip} tip: covered at 1 mL, median",
        f"reach {COVERED}",
        "azygos, mL",
        "next level seen",
        "left of it without links",
    ]
HEAD.append("basivertebral seen (foraminal)")


def main(say: Callable[[str], object] = sys.stdout.write) -> None:
    """Run every case and print the table as it grows."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.validation.sensitivity", description=__doc__
    )
    parser.add_argument("--draws", type=int, default=40, help="patients")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    assert set(USED) <= set(ARMS)
    say("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD) + "\n")
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        shares = [range(k, given.draws, given.processes) for k in range(given.processes)]
        jobs = [(case, [pool.submit(rows_of, case, share) for share in shares]) for case in cases()]
        for case, parts in jobs:
            say(line(case, [row for part in parts for row in part.result()]))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
