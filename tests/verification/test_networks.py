"""Agent divides among veins: Y-split and bridge against an independent network of pistons.

The reference knows nothing of cells: every vein is a pipe with one front x in it, resistance
k (mu_a x + mu_b (L - x)) and weight drho g.x; junction pressures come from a dense solve, and
fronts move by a Runge-Kutta integration of dx/dt = Q / A.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from geometry.flowmesh import FlowMesh

MU_A, MU_B = 0.02, 0.004
RATE = 0.8


def pipes_mesh(pipes, n_nodes, outlets, cells, **given):
    """Mesh of `pipes` (from, to, length, radius), `cells` cells each, with tiny junction cells.

    Junction cells have no resistance of their own, so that a pipe is exactly a pipe.
    """
    tiny = 1e-7
    volume, radius, owner, neighbour, half = [tiny] * n_nodes, [1.0] * n_nodes, [], [], []
    inside = []
    for start, stop, length, r in pipes:
        dx = length / cells
        h = 4 * dx / (np.pi * r**4)
        chain = [start, *range(len(volume), len(volume) + cells), stop]
        inside.append(np.array(chain[1:-1]))
        volume += [np.pi * r**2 * dx] * cells
        radius += [r] * cells
        owner += chain[:-1]
        neighbour += chain[1:]
        half += [[0.0, h]] + [[h, h]] * (cells - 1) + [[h, 0.0]]
    mesh = FlowMesh.from_arrays(
        cell_volume=volume,
        cell_radius=radius,
        face_owner=owner,
        face_neighbour=neighbour,
        half_resistance=half,
        terminal_cell=outlets,
        **given,
    )
    return mesh, inside


def pipe_flows(x, pipes, n_nodes, outlets, source, shut):
    """Flows of all pipes for fronts at `x`, with `RATE` into node `source` and outlets at 0 Pa."""
    matrix, right = np.zeros((n_nodes, n_nodes)), np.zeros(n_nodes)
    right[source] = RATE
    g = []
    for (i, j, length, r), front, closed in zip(pipes, x, shut, strict=True):
        k = 8 / (np.pi * r**4)
        g.append(0.0 if closed else 1 / (k * (MU_A * front + MU_B * (length - front))))
        matrix[[i, j], [i, j]] += g[-1]
        matrix[[i, j], [j, i]] -= g[-1]
    for node in outlets:
        matrix[node], right[node] = 0.0, 0.0
        matrix[node, node] = 1.0
    p = np.linalg.solve(matrix, right)
    return np.array([c * (p[i] - p[j]) for (i, j, _, _), c in zip(pipes, g, strict=True)])


def piston_arrivals(pipes, n_nodes, outlets, source, until, marks):
    """Volume at which each pipe's front passes each of its `marks` (fractions of its length).

    Agent enters a pipe at its start, once the start is reached, and only forwards; a pipe whose
    end is reached first is shut by its own blood.
    """
    length = np.array([p[2] for p in pipes])
    area = np.pi * np.array([p[3] for p in pipes]) ** 2
    start, stop = (np.array([p[k] for p in pipes]) for k in (0, 1))
    reached = np.zeros(n_nodes, dtype=bool)
    reached[source] = True
    x, v = np.zeros(len(pipes)), 0.0
    passed = np.full((len(pipes), len(marks)), np.inf)
    while v < until:
        shut = reached[stop] & (x < length)  # blood between two bodies of agent is trapped
        live = reached[start] & (x < length) & ~shut

        def speed(_, y, live=live, shut=shut):
            q = pipe_flows(y, pipes, n_nodes, outlets, source, shut)
            return np.where(live, np.maximum(q, 0.0), 0.0) / area / RATE

        events = []
        for p in np.flatnonzero(live):
            events.append(lambda _, y, p=p: y[p] - length[p])
            events[-1].terminal = True
        found = solve_ivp(
            speed, (v, until), x, events=events, dense_output=True, rtol=1e-9, atol=1e-12
        )
        fine = np.linspace(v, found.t[-1], 4001)
        track = found.sol(fine)
        for p in np.flatnonzero(live):
            for k, mark in enumerate(marks):
                level = mark * length[p]
                if x[p] < level <= track[p, -1] + 1e-9 and np.isinf(passed[p, k]):
                    passed[p, k] = np.interp(level, track[p], fine)
        v, x = found.t[-1], found.y[:, -1].copy()
        if v >= until:
            break
        for p in np.flatnonzero(live):
            if x[p] >= length[p] - 1e-9:
                x[p] = length[p]
                reached[stop[p]] = True
    return passed


Y = [(0, 1, 12.0, 0.5), (0, 2, 8.0, 0.35)]
BRIDGE = [
    (0, 1, 6.0, 0.5),  # to the bridge's upper end, wide
    (0, 2, 14.0, 0.4),  # to its lower end, long
    (1, 2, 4.0, 0.3),  # the bridge
    (1, 3, 30.0, 0.4),
    (2, 3, 12.0, 0.4),
]


SUBJECT = "Networks of pistons"
PISTONS = "pistons in pipes: dense solve and Runge-Kutta"


def compare(pipes, n_nodes, outlets, until, push, agent, eta, cells=10):
    mesh, inside = pipes_mesh(pipes, n_nodes, outlets, cells)
    run = push(mesh, agent, until, RATE, eta=eta)
    got = np.array([run.state.full_volume[c] for c in inside])
    marks = np.arange(1, cells + 1) / cells
    exact = piston_arrivals(pipes, n_nodes, outlets, 0, until, marks)
    assert (np.isfinite(got) == np.isfinite(exact)).mean() > 0.95  # but for the last cell
    both = np.isfinite(got) & np.isfinite(exact)
    return got, exact, both


def test_y_split_arrivals(fluid, push, verdict):
    """Two unequal daughters: every arrival by the pistons' equations, order 1 in the step."""
    agent = fluid(viscosity=MU_A)
    eta = np.array([0.04, 0.02, 0.01])
    worst = []
    for e in eta:
        got, exact, both = compare(Y, 3, [1, 2], 8.0, push, agent, e)
        assert both.sum() >= 12
        worst.append(np.abs(got[both] / exact[both] - 1).max())
    verdict.order(
        "Convergence",
        "arrival volume in a Y-split, in eta",
        eta,
        worst,
        at_least=0.85,
        source=PISTONS,
        name="order-y-eta",
        x_label="eta",
    )
    what = "Y-split: arrival volume of each cell, default eta, mm3"
    verdict(SUBJECT, what, got[both], exact[both], source=PISTONS, rtol=0.01)


def test_y_split_first_ratio(fluid, push, verdict):
    """At first, with blood in both daughters, agent divides as R^4 / L (Poiseuille, parallel)."""
    mesh, inside = pipes_mesh(Y, 3, [1, 2], 50)
    run = push(mesh, fluid(viscosity=MU_A), 1e-3, RATE, eta=1e-4)
    a, b = (run.state.agent_volume[c].sum() for c in inside)
    exact = (0.5**4 / 12.0) / (0.35**4 / 8.0)
    what = "Y-split: first agent divides as"
    verdict(SUBJECT, what, a / b, exact, source="R^4 / L (Poiseuille)", rtol=2e-3)


def test_bridge_arrivals(fluid, push, verdict):
    """Wheatstone bridge out of balance: agent crosses it from the nearer end, and on time."""
    got, exact, both = compare(BRIDGE, 4, [3], 17.0, push, fluid(viscosity=MU_A), 0.005)
    assert both[2].all()  # the bridge was crossed
    assert both.sum() > 25
    order = np.argsort(exact[both])
    verdict.curve(
        SUBJECT,
        "bridge: arrival volume of each cell, mm3",
        np.arange(both.sum()),
        got[both][order],
        exact[both][order],
        name="bridge-arrivals",
        x_label="cells in the order of their filling",
        source=PISTONS,
        rtol=0.01,
    )


def test_bridge_in_balance_stays_empty(fluid, push, verdict):
    """Equal arms: no pressure across the bridge, so its blood stays and is trapped."""
    arms = [
        (0, 1, 5.0, 0.5),
        (0, 2, 5.0, 0.5),
        (1, 2, 4.0, 0.3),
        (1, 3, 9.0, 0.4),
        (2, 3, 9.0, 0.4),
    ]
    mesh, inside = pipes_mesh(arms, 4, [3], 8)
    run = push(mesh, fluid(viscosity=MU_A), 12.0, RATE)
    held = [run.state.agent_volume[c] for c in inside]
    what = "bridge in balance: agent on it, mm3"
    verdict(SUBJECT, what, held[2].sum(), 0.0, source="equal arms", atol=1e-9)
    what = "bridge in balance: one arm as the other, mm3"
    verdict(SUBJECT, what, held[3], held[4], source="equal arms", atol=1e-9)
    assert held[3].sum() > 1.0


def test_bridge_pressures_full_of_blood(fluid, push, verdict):
    """Before agent has moved: pressures of the blood by a dense solve of the five resistances."""
    mesh, _ = pipes_mesh(BRIDGE, 4, [3], 4)
    run = push(mesh, fluid(viscosity=MU_B), 1e-3, RATE)
    flows = pipe_flows(np.zeros(5), BRIDGE, 4, [3], 0, np.zeros(5, dtype=bool))
    face = np.array([5 * k + 2 for k in range(5)])  # a face in the middle of each pipe
    what = "bridge: flows of the blood, mm3/s"
    verdict(SUBJECT, what, run.state.flow[face], flows, source="dense solve", rtol=1e-6)


@pytest.mark.parametrize("eta", [0.01, 0.3])
def test_a_dam_is_noticed(fluid, push, eta, verdict):
    """Agent shuts a stream that held two outlets' blood open: from then on only one yields.

    Before, 100 Pa in the stream sends blood to the ends at 0 and at 50 Pa; the tip alone does not
    reach 50 Pa, so no agent goes there, however long the step.

          2 < 100 Pa, strong
          |
    (0) - 1 - 3 > 0 Pa
          |
          4 > 50 Pa
    """
    mesh = FlowMesh.from_arrays(
        cell_volume=[0.5, 0.5, 9.0, 9.0, 9.0],
        cell_radius=1.0,
        face_owner=[0, 1, 1, 1],
        face_neighbour=[1, 2, 3, 4],
        terminal_cell=[2, 3, 4],
        terminal_pressure=[100.0, 0.0, 50.0],
        terminal_resistance=[0.01, 5.0, 5.0],
    )
    agent = fluid(diffusivity=1e-9)  # enough of a wall to hold: nothing is torn off
    run = push(mesh, agent, 3.0, RATE, eta=eta)
    first = run.state.first_volume
    assert first[3] == pytest.approx(1.0)
    what = "agent beside a dammed stream: by the low end, and by the high one, mm3"
    found = run.state.agent_volume[[3, 4]]
    verdict(SUBJECT, what, found, [2.0, 0.0], source="diodes at 0 and 50 Pa", atol=1e-9)
