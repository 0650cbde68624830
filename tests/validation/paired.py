"""Pairs of injections into the same random patients: what changes when one thing changes.

Draw n is the patient of seed n; in every arm the disorder of the gates has seed n too, and the
veins are numbered so that deleting the intersegmental ones leaves the other veins' disorder as
it is. ``python -m tests.validation.paired --draws 100`` prints the tables of docs/validation.md.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import castsim
from castsim.cast import Cast
from castsim.errors import CastsimError
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario
from castsim.venous_flow import AZYGOS_SYSTEM
from geometry.anatomy import Anatomy
from geometry.errors import GeometryError
from geometry.structures import Compartment, Structure
from tests.validation.arrival import ahead_of_tip, last_outside

BoolArray = NDArray[np.bool_]

READ_AT = 1000.0
"""uL out of the tip at which fillings are read, the same in all arms."""
LONG = "injection.volume_mL=1.5"
"""Both tips get as much as the segmental scenario plans, so that each has its chance."""
VISIBLE = 10.0
"""uL that fluoroscopy shows: the least azygos volume of castsim/data/operator_rules.csv."""
COVERED = 0.9
"""Share of what can be covered that counts as covered."""
SECTORS = 8
NEXT_LEVEL = (
    Structure.FORAMINAL,
    Structure.PARASPINAL,
    Structure.POSTERIOR_INTERCOSTAL,
    Structure.SUBCOSTAL,
    Structure.LUMBAR,
    Structure.ILIOLUMBAR,
)
"""Veins in which agent at another level counts as spread."""
DEEP = (Compartment.FORAMINAL, Compartment.EPIDURAL, Compartment.VERTEBRAL_BODY)


@dataclass(frozen=True)
class Arm:
    """One way to inject: a scenario, with or without its balloon, links between levels there."""

    scenario: str
    overrides: tuple[str, ...] = ()
    balloon: bool = True
    links: bool = True


ARMS = {
    "foraminal": Arm("right-t9", (LONG,)),
    "segmental": Arm("right-t9-segmental", (LONG,)),
    "blocked": Arm("right-t9-balloon"),
    "unblocked": Arm("right-t9-balloon", balloon=False),
    "foraminal without links": Arm("right-t9", (LONG,), links=False),
    "segmental without links": Arm("right-t9-segmental", (LONG,), links=False),
}


@dataclass(frozen=True)
class Outcome:
    """What one injection of one patient came to; volumes in mL, all but the last read at 1 mL.

    `error` is empty when the run came to its end. `covered_at` is infinite when `COVERED` was
    never reached; `azygos_end` is at the end of the run. `spread_by` splits `spread`, agent in
    foraminal and segmental veins of other levels, by the vein from which it came there.
    """

    arm: str
    draw: int
    error: str = ""
    injected: float = 0.0
    balance_error: float = 0.0
    truncated: bool = False
    stalled: bool = False
    seconds: float = 0.0
    coverage_deg: float = 0.0
    coverable_deg: float = 0.0
    sectors: int = 0
    covered_at: float = np.inf
    azygos: float = 0.0
    azygos_end: float = 0.0
    embolised: float = 0.0
    beyond_tip: float = 0.0
    beyond_tip_deep: float = 0.0
    beside_catheter: float = 0.0
    basivertebral: float = 0.0
    spread: float = 0.0
    spread_levels: int = 0
    opposite: float = 0.0
    spread_by: dict[str, float] = field(default_factory=dict)
    filled: dict[str, float] = field(default_factory=dict)


def patient(draw: int, *, links: bool = True) -> Anatomy:
    """Random patient of this seed; without `links`, less its intersegmental veins."""
    anatomy = Anatomy.draw(np.random.default_rng(draw))
    link = anatomy.network.branch_structure == Structure.INTERSEGMENTAL
    # numbered last, so that the other veins have the same number, and disorder, without them
    kept = np.flatnonzero(~link)
    chosen = np.concatenate([kept, np.flatnonzero(link)]) if links else kept
    return replace(anatomy, network=anatomy.network.select(chosen))


def plan(arm: Arm, draw: int) -> Scenario:
    """Scenario of an arm for this patient."""
    drawn = ('patient.anatomy="drawn"', f"patient.seed={draw}", f"seed={draw}")
    scenario = load_scenario(arm.scenario, (*arm.overrides, *drawn))
    if arm.balloon:
        return scenario
    open_vein = scenario.catheter.model_copy(update={"balloon": None})
    return scenario.model_copy(update={"catheter": open_vein})


def outcomes_of(draw: int, names: Sequence[str] = tuple(ARMS)) -> list[Outcome]:
    """All arms of one patient; an arm that fails says why."""
    anatomies = {links: patient(draw, links=links) for links in {ARMS[n].links for n in names}}
    rows = []
    for name in names:
        arm, began = ARMS[name], time.process_time()
        try:
            cast = castsim.run(plan(arm, draw), anatomy=anatomies[arm.links])
            row = measure(cast, name, draw)
        except (CastsimError, GeometryError) as error:
            row = Outcome(name, draw, error=f"{type(error).__name__}: {error}")
        rows.append(replace(row, seconds=time.process_time() - began))
    return rows


def ensemble(draws: int, processes: int = 2) -> Iterator[list[Outcome]]:
    """All arms of the patients 0 .. draws - 1, in order."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(outcomes_of, range(draws))


def measure(cast: Cast, name: str, draw: int) -> Outcome:
    """Read one run."""
    flow, run = cast.mesh.flow, cast.injection
    content = cast.saturation_at(READ_AT) * flow.cell_volume / 1000.0
    full = cast.full_at(READ_AT)
    root, side = cast.scenario.target.root, cast.scenario.target.side_code

    azygos = np.isin(flow.cell_structure, AZYGOS_SYSTEM)
    local = np.isin(flow.cell_structure, NEXT_LEVEL)
    spread = local & (flow.cell_level != root)
    entry = last_outside(cast, spread)
    by: dict[str, float] = {}
    for code in np.unique(flow.cell_structure[entry[entry >= 0]]):
        here = (entry >= 0) & (flow.cell_structure[entry] == code)
        by[Structure(code).label] = float(content[here].sum())
    if unknown := float(content[spread & (entry < 0)].sum()):
        by["unknown"] = unknown
    levels = flow.cell_level[spread & (content > 0)]

    ahead = ahead_of_tip(cast) & ~azygos
    deep = cast.in_compartment(*DEEP)
    everything = np.ones(flow.n_cells, dtype=bool)
    coverable = cast.coverage.degrees(everything)
    return Outcome(
        arm=name,
        draw=draw,
        injected=cast.injected / 1000.0,
        balance_error=run.balance_error,
        truncated=run.truncated,
        stalled=run.stop_reason.startswith("stalled"),
        coverage_deg=cast.coverage_at(READ_AT),
        coverable_deg=coverable,
        sectors=sectors(cast, full),
        covered_at=volume_to_cover(cast, COVERED * coverable) / 1000.0,
        azygos=at(cast, "azygos"),
        azygos_end=float(run.log["azygos"][-1]) / 1000.0,
        embolised=at(cast, "embolised"),
        beyond_tip=float(content[ahead].sum()),
        beyond_tip_deep=float(content[ahead & deep].sum()),
        beside_catheter=float(content[~ahead & ~azygos].sum()),
        basivertebral=float(content[flow.cell_structure == Structure.BASIVERTEBRAL].sum()),
        spread=float(content[spread].sum()),
        spread_levels=int(np.abs(levels - root).max()) if len(levels) else 0,
        opposite=float(content[local & (flow.cell_side == -side)].sum()),
        spread_by=by,
        filled={
            part.value: float(content[cast.in_compartment(part)].sum())
            for part in Compartment
            if content[cast.in_compartment(part)].any()
        },
    )


def at(cast: Cast, column: str) -> float:
    """A column of the log, mL, when `READ_AT` has left the tip, or all that came out."""
    return float(cast.log_at(column, np.array([READ_AT]))[0]) / 1000.0


def volume_to_cover(cast: Cast, degrees: float) -> float:
    """Least volume out of the tip, uL, at which so much of the root is covered; else inf."""
    steps = np.unique(cast.full_volume[cast.coverage.cell])
    steps = steps[np.isfinite(steps)]
    reached = [v for v in steps if cast.coverage_at(float(v)) >= degrees]
    return float(reached[0]) if reached else np.inf


def sectors(cast: Cast, full: BoolArray) -> int:
    """Sectors of the root, of `SECTORS`, whose middle is covered."""
    cover = cast.coverage
    middle = -np.pi + 2 * np.pi * (np.arange(SECTORS) + 0.5) / SECTORS
    chosen = full[cover.cell]
    start, stop = cover.start[chosen], cover.stop[chosen]
    inside = np.zeros(SECTORS, dtype=bool)
    for turn in (0.0, 2 * np.pi):
        inside |= ((start <= middle[:, None] + turn) & (middle[:, None] + turn <= stop)).any(1)
    return int(inside.sum())


def write_rows(rows: Sequence[Outcome], path: Path) -> None:
    """Every outcome as a line of a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Outcome)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main(say: Callable[[str], object] = sys.stdout.write) -> None:
    """Run the arms and print what they show."""
    from tests.validation.paired_tables import tables

    parser = argparse.ArgumentParser(prog="python -m tests.validation.paired", description=__doc__)
    parser.add_argument("--draws", type=int, default=100, help="patients")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--csv", type=Path, help="write every outcome here, too")
    given = parser.parse_args()
    rows: list[Outcome] = []
    for done in ensemble(given.draws, given.processes):
        rows += done
        sys.stderr.write(f"\r{done[0].draw + 1} of {given.draws} patients")
        if given.csv:
            write_rows(rows, given.csv)
    say("\n" + tables(rows))


if __name__ == "__main__":
    main()
