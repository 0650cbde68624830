"""The dynamic kernel in the limit of slow injection: the order of invasion percolation.

Thresholds stand a whole `GAP` apart, and the largest viscous drop that agent could ever cause,
all of the rate through every cell in a row, stays below a hundredth of it.
"""

import numpy as np
import pytest

from castsim.quasistatic import percolate
from geometry.flowmesh import FlowMesh
from tests.conftest import BLOOD_VISCOSITY
from tests.verification.lattices import joined, lattice, network

SUBJECT = "Invasion percolation: the dynamic kernel's limit"
GAP = 1.0
"""Pa between neighbouring thresholds."""
LEAST = 20.0
"""Pa, the lowest threshold."""
TENSION = 50.0
EASY = 0.05, 2e-4
"""mm3/s and Pa s, where every cell drains: a thousand closed ways out leak 1e-11 of their
conductance each, and a push that is much slower feeds nothing but these."""
SLOW = 5e-4, 0.02
"""Where few cells drain, blood has a long way to go, and its viscous drop counts too."""
NEVER = 1e9


def mesh_of(kind, rng):
    """At least 1000 cells by kind, and their tip; blood can leave every cell or a few."""
    if kind == "square":
        return lattice((34, 30), rng, ends=np.arange(1020)), 500
    if kind == "cube":
        return lattice((10, 10, 10), rng, ends=np.arange(1000)), 455
    if kind == "diluted":
        return lattice((35, 35), rng, ends=np.arange(1225), missing=0.3), 612
    if kind == "traps":
        return lattice((33, 32), rng, ends=rng.choice(1056, 30, replace=False)), 528
    if kind == "valves":
        return lattice((33, 32), rng, ends=np.arange(1056), valves=0.2), 528
    n, pairs = network(rng, 60, 12)
    return joined(n, pairs, np.arange(n)), 30


@pytest.mark.parametrize("kind", ["square", "cube", "diluted", "traps", "valves", "network"])
def test_slow_injection_is_invasion_percolation(fluid, push, kind, verdict):
    rng = np.random.default_rng(0)
    mesh, tip = mesh_of(kind, rng)
    assert mesh.n_cells >= 1000
    threshold = LEAST + GAP * rng.permutation(mesh.n_gates)
    threshold[mesh.terminal_gate] = NEVER
    mesh = FlowMesh(**(vars(mesh) | {"gate_radius": 2 * TENSION / threshold}))
    drained = mesh.n_terminals == mesh.n_cells
    rate, viscosity = EASY if drained else SLOW
    longest = mesh.n_cells * mesh.half_resistance.sum(axis=1).max()
    assert rate * viscosity * longest < GAP / 100
    assert drained or rate * BLOOD_VISCOSITY * longest < GAP / 100
    order = percolate(mesh, fluid(), tip, threshold=threshold, leave=False).order
    agent = fluid(tension=TENSION, viscosity=viscosity)
    run = push(mesh, agent, len(order) - 1e-6, rate, tip=tip)
    full = np.flatnonzero(run.state.full == 1)
    got = full[np.argsort(run.state.full_volume[full], kind="stable")]
    what = f"cells in the order in which they filled, {kind}, {mesh.n_cells} cells"
    verdict.same(SUBJECT, what, got, order[:-1], source="quasistatic mode")
    np.testing.assert_allclose(run.state.full_volume[got], np.arange(1, len(got) + 1), rtol=1e-9)
