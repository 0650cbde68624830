"""What cells and steps cost: observed orders on a tree of tapering veins, and a whole scenario.

Orders are seen without a reference, from the differences between successive refinements
(Roache, Verification and Validation in Computational Science and Engineering, ch. 5): if the
error is C h^p, the difference between h and h/2 is C (1 - 2^-p) h^p. Thresholds are keyed to
branch and arc length, so every mesh has the same field of them.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

import castsim
from castsim.metrics import summarise
from castsim.scenario_file import load_scenario
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side
from geometry.network import FloatArray, NetworkBuilder, TerminalKind
from geometry.structures import Structure
from tests.verification.verdicts import Table

SUBJECT = "Convergence"
DIFFERENCES = "differences of successive refinements (Roache, ch. 5)"

# start, end, length mm, radius mm at both ends
TREE = [
    (0, 1, 8, 0.9, 0.8),
    (1, 2, 12, 0.7, 0.6),
    (1, 3, 10, 0.65, 0.6),
    (2, 4, 16, 0.6, 0.55),
    (2, 5, 14, 0.55, 0.6),
    (3, 6, 18, 0.6, 0.5),
    (3, 7, 12, 0.5, 0.55),
]
VOLUME = 60.0
"""mm3: the four ends of the tree are nearly reached."""


@cache
def tree():
    builder = NetworkBuilder()
    place = {0: np.zeros(3)}
    node = {0: builder.node(place[0])}
    for start, end, length, first, last in TREE:
        way = np.array([1.0, 0.8 * (-1) ** end, 0.1 * end])
        place[end] = place[start] + length * way / np.linalg.norm(way)
        node[end] = builder.node(place[end])
        labels = (Structure.AZYGOS, Level.T9, Side.RIGHT)
        radius = [first, last]
        builder.branch(node[start], node[end], *labels, radius=radius, radius_minor=radius)
    for end in (4, 5, 6, 7):
        builder.terminal(node[end], TerminalKind.OUTLET, f"end {end}")
    return builder.build()


def arrivals(mesh, run):
    """Volume at which the front passes every mm of every vein, but 2 mm from its ends."""
    found = []
    for branch, (_, _, length, _, _) in enumerate(TREE):
        cells = mesh.cells_of(branch)[:-1]
        rows = slice(mesh.polyline_offset[branch], mesh.polyline_offset[branch + 1])
        arc = mesh.polyline_arc[rows]
        far_end = 0.5 * (arc[1:] + arc[:-1])
        at = np.arange(2, length - 1.5)
        found.append(np.interp(at, far_end, run.state.full_volume[cells]))
    return np.concatenate(found)


@pytest.fixture(scope="module")
def spread(fluid, push):
    """Arrivals on the tree and the solves they took."""

    def go(cell, eta, seed=None):
        mesh = centreline_mesh(tree(), cell)
        thresholds = {} if seed is None else {"tension": 0.5, "disorder": 0.5}
        tip = mesh.cell_at(0, 0.0)
        run = push(mesh.flow, fluid(**thresholds), VOLUME, 1.0, tip=tip, eta=eta, seed=seed or 0)
        return arrivals(mesh, run), run.solves

    return go


def apart(one, other):
    """Root mean square difference of arrivals where both have come, mm3."""
    both = np.isfinite(one) & np.isfinite(other)
    assert both.sum() >= 0.85 * max(np.isfinite(one).sum(), np.isfinite(other).sum())
    return np.sqrt(np.mean((one[both] - other[both]) ** 2))


CELLS = np.array([1.0, 0.5, 0.25, 0.125])


def test_order_in_cell_length(spread, verdict):
    """Without thresholds: junctions fill as a whole, which is an error of order 1."""
    found = [spread(h, 2e-3)[0] for h in CELLS]
    changes = [apart(a, b) for a, b in pairwise(found)]
    verdict.order(
        SUBJECT,
        "arrival volume in a tree, in cell length",
        CELLS[:-1],
        changes,
        at_least=0.8,
        source=DIFFERENCES,
        name="order-tree-cell",
        x_label="cell length, mm",
        y_label="change on halving, mm3",
    )


def test_order_in_cell_length_with_thresholds(spread, verdict):
    """The same field of thresholds on each mesh: order 1, with the scatter of what opens first."""
    seeds = range(1, 9)
    found = {h: [spread(h, 2e-3, seed)[0] for seed in seeds] for h in CELLS}
    changes = [
        np.sqrt(np.mean([apart(a, b) ** 2 for a, b in zip(found[h], found[k], strict=True)]))
        for h, k in pairwise(CELLS)
    ]
    verdict.order(
        SUBJECT,
        "arrival volume in a tree with thresholds (8 fields), in cell length",
        CELLS[:-1],
        changes,
        at_least=0.8,
        overall=True,
        source=DIFFERENCES,
        name="order-tree-thresholds",
        x_label="cell length, mm",
        y_label="change on halving, mm3",
    )


def test_order_in_step(spread, verdict):
    """Fluxes are frozen within a step: order 1 in eta; and what the defaults cost."""
    eta = np.array([0.04, 0.02, 0.01, 0.005, 0.0025])
    runs = [spread(0.5, e) for e in eta]
    changes = [apart(a, b) for (a, _), (b, _) in pairwise(runs)]
    best, _ = spread(0.0625, 2.5e-4)
    lines = []
    for cell in CELLS:
        for e in (0.04, 0.01, 0.0025):
            found, solves = spread(cell, e)
            lines.append((f"{cell}", f"{100 * e:g} %", f"{apart(found, best):.3f}", f"{solves}"))
    table = Table(
        f"A tree of veins, {VOLUME:g} mm3: root mean square error of arrivals, against cells of "
        "0.0625 mm with η 0.025 %",
        ("cell, mm", "η", "error, mm3", "solves"),
        tuple(lines),
    )
    verdict.order(
        SUBJECT,
        "arrival volume in a tree, in eta",
        eta[:-1],
        changes,
        at_least=0.85,
        source=DIFFERENCES,
        name="order-tree-eta",
        x_label="eta",
        y_label="change on halving, mm3",
        table=table,
    )
    found, _ = spread(0.5, 0.01)
    what = "error of arrivals in a tree with the defaults, of the injected volume"
    share = apart(found, best) / VOLUME
    verdict.at_most(SUBJECT, what, share, 0.005, source="cells of 0.0625 mm, eta 0.025 %")


# --- whole casts ------------------------------------------------------------------------------

PLANNED_ML = 0.5
PATIENTS = range(8)
"""Of the commonest anatomy, with other strands each: where two veins are nearly as weak another
mesh opens the other one, so that casts are compared by the patient and judged by all of them."""
CHANGES = {
    "0.5 mm, η 1 % (default)": (),
    "1 mm": ("mesh.cell_mm=1.0",),
    "0.25 mm": ("mesh.cell_mm=0.25",),
    "η 4 %": ("mesh.eta=0.04",),
    "η 2 %": ("mesh.eta=0.02",),
    "η 0.5 %": ("mesh.eta=0.005",),
    "η 0.25 %": ("mesh.eta=0.0025",),
}
FINER = ("0.25 mm", "η 0.5 %", "η 0.25 %")
"""What tells the error of the default; coarser ones are in the table only."""
SCENARIOS = ("right-t9", "left-t7", "c6")


class Change(NamedTuple):
    """What cells or steps change in the casts of all patients, (p,) each."""

    coverage: FloatArray  # degrees
    embolised: FloatArray  # mL
    shift: FloatArray  # median shift of arrivals in the veins of both, of the volume; NaN: none
    overlap: FloatArray  # share of the veins' volume that both casts reached
    solves: FloatArray


def cast_of(name, patient, *overrides):
    given = (f"injection.volume_mL={PLANNED_ML}", f"patient.seed={patient}")
    return castsim.run(load_scenario(name, [*given, *overrides]))


def reached(cast):
    """Volume at which agent came to every mm of every vein near the target, mm3."""
    mesh = cast.mesh
    length = cast.anatomy.network.branch_length()
    places = {}
    for branch in np.unique(mesh.flow.cell_branch[cast.window]):
        for at in np.arange(0.5, length[branch], 1.0):
            places[branch, at] = cast.first_volume[mesh.cell_at(branch, at)]
    return places


def compared(one, other):
    """Share of the veins' volume that both casts reached, and the median shift of arrivals."""
    mesh = one.mesh
    ours, theirs = reached(one), reached(other)
    keys = sorted(ours.keys() & theirs.keys())
    a, b = (np.array([places[key] for key in keys]) for places in (ours, theirs))
    cell = [mesh.cell_at(*key) for key in keys]
    area = (mesh.flow.cell_radius * mesh.flow.cell_radius_minor)[cell]
    both = np.isfinite(a) & np.isfinite(b)
    overlap = 2 * area[both].sum() / (area[np.isfinite(a)].sum() + area[np.isfinite(b)].sum())
    shift = np.median(np.abs(a[both] - b[both])) if both.any() else np.nan
    return overlap, shift / (1000 * PLANNED_ML)


@cache
def changes_of(name):
    """What each of `CHANGES` does to a scenario."""
    rows = {change: [] for change in CHANGES}
    for patient in PATIENTS:
        usual = cast_of(name, patient)
        was = summarise(usual)
        for change, overrides in CHANGES.items():
            cast = cast_of(name, patient, *overrides)
            now = summarise(cast)
            overlap, shift = compared(usual, cast)
            degrees = now["coverage"]["deg"] - was["coverage"]["deg"]
            more = now["embolised_mL"] - was["embolised_mL"]
            rows[change].append((degrees, more, shift, overlap, cast.injection.solves))
    return {change: Change(*np.array(found, dtype=float).T) for change, found in rows.items()}


def with_error(values, digits):
    """Mean and its standard error."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.{digits}f} ± {error:.{digits}f}"


COVERAGE_DEG = 30.0
"""About one strand of eight round the root."""
EMBOLISED_ML = 0.01
"""What an operator does not notice in the azygos system."""
BY_DEFAULT = f"the default mesh and step in the same patients, {len(PATIENTS)} of them"
MORE_IS_SWEPT = pytest.mark.xfail(
    strict=True,
    reason="with cells of 0.25 mm more agent is carried off, by 0.02 mL of 0.5 in the mean; why is "
    "not known",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_whole_casts(name, verdict):
    """What the defaults cost in a bundled scenario: coverage, arrivals, the veins filled."""
    found = changes_of(name)
    lines = tuple(
        (
            change,
            with_error(one.coverage, 1),
            with_error(one.embolised, 4),
            f"{100 * np.nanmedian(one.shift):.2g} %",
            f"{100 * np.median(one.overlap):.0f} %",
            f"{one.solves.mean():.0f}",
        )
        for change, one in found.items()
    )
    header = ("mesh and step", "coverage, °", "left towards the lungs, mL", "shift of arrivals")
    table = Table(
        f"`{name}`, {PLANNED_ML} mL, {len(PATIENTS)} patients: what cells and steps change, "
        "against the default (mean and its standard error; medians; shifts in parts of the volume)",
        (*header, "cast in the same veins", "solves"),
        lines,
    )
    what = f"{name}: coverage with finer cells or steps less that with the default, degrees, mean"
    means = [found[change].coverage.mean() for change in FINER]
    verdict(SUBJECT, what, means, [0.0] * 3, source=BY_DEFAULT, atol=COVERAGE_DEG, table=table)
    what = f"{name}: median shift of arrivals with finer cells or steps, of the volume"
    shifts = [np.nanmedian(found[change].shift) for change in FINER]
    verdict.at_most(SUBJECT, what, shifts, 0.05, source=BY_DEFAULT)
    what = f"{name}: cast in the same veins with finer cells or steps, share, median"
    overlaps = [np.median(found[change].overlap) for change in FINER]
    verdict.at_least(SUBJECT, what, overlaps, 0.8, source=BY_DEFAULT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("right-t9", marks=MORE_IS_SWEPT),
        pytest.param("left-t7", marks=MORE_IS_SWEPT),
        "c6",
    ],
)
def test_volume_towards_the_lungs(name, verdict):
    means = [changes_of(name)[change].embolised.mean() for change in FINER]
    more = "with finer cells or steps less that with the default, mL, mean"
    what = f"{name}: left towards the lungs {more}"
    verdict(SUBJECT, what, means, [0.0] * 3, source=BY_DEFAULT, atol=EMBOLISED_ML)
