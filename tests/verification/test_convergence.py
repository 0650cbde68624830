"""What cells and steps cost: observed orders on a tree of tapering veins, and a whole scenario.

Orders are seen without a reference, from the differences between successive refinements
(Roache, Verification and Validation in Computational Science and Engineering, ch. 5): if the
error is C h^p, the difference between h and h/2 is C (1 - 2^-p) h^p. Thresholds are keyed to
branch and arc length, so every mesh has the same field of them.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import castsim
from castsim.metrics import summarise
from castsim.scenario_file import load_scenario
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind
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


# --- a whole cast -----------------------------------------------------------------------------

PLANNED_ML = 0.5
CHANGES = {
    "0.5 mm, η 1 % (default)": (),
    "1 mm": ("mesh.cell_mm=1.0",),
    "0.25 mm": ("mesh.cell_mm=0.25",),
    "η 4 %": ("mesh.eta=0.04",),
    "η 2 %": ("mesh.eta=0.02",),
    "η 0.5 %": ("mesh.eta=0.005",),
    "η 0.25 %": ("mesh.eta=0.0025",),
}


@cache
def cast_of(name, *overrides):
    scenario = load_scenario(name, [f"injection.volume_mL={PLANNED_ML}", *overrides])
    return castsim.run(scenario)


def reached(cast):
    """Volume at which agent came to every mm of every vein near the target, mm3."""
    mesh = cast.mesh
    length = cast.anatomy.network.branch_length()
    places = {}
    for branch in np.unique(mesh.flow.cell_branch[cast.window]):
        for at in np.arange(0.5, length[branch], 1.0):
            places[branch, at] = cast.first_volume[mesh.cell_at(branch, at)]
    return places


def compared(name, change):
    """Share of the veins' volume that both casts reached, and the median shift of arrivals, mm3."""
    mesh = cast_of(name).mesh
    ours, other = (reached(cast_of(name, *c)) for c in ((), CHANGES[change]))
    keys = sorted(ours.keys() & other.keys())
    a, b = (np.array([places[key] for key in keys]) for places in (ours, other))
    cell = [mesh.cell_at(*key) for key in keys]
    area = (mesh.flow.cell_radius * mesh.flow.cell_radius_minor)[cell]
    both = np.isfinite(a) & np.isfinite(b)
    overlap = 2 * area[both].sum() / (area[np.isfinite(a)].sum() + area[np.isfinite(b)].sum())
    return overlap, float(np.median(np.abs(a[both] - b[both])))


COVERAGE_DEG = 30.0
"""About one strand of eight round the root."""
EMBOLISED_ML = 0.01
"""What an operator does not notice in the azygos system."""
OTHER_STRAND = pytest.mark.xfail(
    strict=False,
    reason="beyond the foramen two veins are nearly as weak, and another mesh or step opens the "
    "other one: single casts differ there, only ensembles can be compared",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["right-t9", "left-t7", "c6"])
def test_a_whole_cast(name, verdict):
    """What the defaults cost in a bundled scenario: coverage and arrivals."""
    lines, shifts, degrees = [], [], []
    for change, overrides in CHANGES.items():
        cast = cast_of(name, *overrides)
        found = summarise(cast)
        overlap, shift = compared(name, change)
        shifts.append(shift / (1000 * PLANNED_ML))
        degrees.append(found["coverage"]["deg"])
        lines.append(
            (
                change,
                f"{degrees[-1]:.0f}",
                f"{found['embolised_mL']:.4f}",
                f"{100 * shifts[-1]:.2g} %",
                f"{100 * overlap:.0f} %",
                f"{cast.injection.solves}",
            )
        )
    header = ("mesh and step", "coverage, °", "embolised, mL", "median shift of arrivals")
    table = Table(
        f"`{name}`, {PLANNED_ML} mL: what cells and steps change, against the default (shifts in "
        "parts of the injected volume)",
        (*header, "cast in the same veins", "solves"),
        tuple(lines),
    )
    source = "the same with the default mesh and step"
    what = f"{name}: coverage when cells or steps change, degrees"
    verdict(SUBJECT, what, degrees, degrees[0], source=source, atol=COVERAGE_DEG, table=table)
    what = f"{name}: median shift of arrivals when cells or steps change, of the volume"
    verdict.at_most(SUBJECT, what, shifts, 0.05, source=source)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["right-t9", pytest.param("left-t7", marks=OTHER_STRAND), "c6"])
def test_embolised_volume(name, verdict):
    found = [summarise(cast_of(name, *change))["embolised_mL"] for change in CHANGES.values()]
    what = f"{name}: embolised when cells or steps change, mL"
    source = "the same with the default mesh and step"
    verdict(SUBJECT, what, found, found[0], source=source, atol=EMBOLISED_ML)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "right-t9",
        pytest.param("left-t7", marks=OTHER_STRAND),
        pytest.param("c6", marks=OTHER_STRAND),
    ],
)
def test_a_cast_fills_the_same_veins(name, verdict):
    """By volume of vein, within 1 mm and 0.25 mm, 2 % and 0.25 %."""
    overlaps = [compared(name, change)[0] for change in CHANGES]
    what = f"{name}: cast in the same veins when cells or steps change, share"
    source = "the same with the default mesh and step"
    verdict.at_least(SUBJECT, what, overlaps, 0.8, source=source)
