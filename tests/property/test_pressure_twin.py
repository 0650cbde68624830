"""One pressure solve told twice: by the kernel, and by plain dense algebra.

A run of one push leaves a state; a second push of a speck begins with one solve of it, whose
pressures and flows it leaves behind. The twin here builds every face from the theory's formula
(docs/theory.md, 2, 4 and 5), tries all combinations of its diodes, and keeps the one in which each
agrees with its own flow or push.
"""

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from castsim.protocol import Step
from geometry.flowmesh import NO_GATE
from tests.property.strategies import cases, for_all
from tests.property.timeline import with_a_way_out

SPECK = 1e-9
"""mm3, a push that changes nothing."""
MOST_DIODES = 7
LEAK = 1e-11
"""Share of its conductance that a shut face keeps here, so that no part of the network floats."""


def mobility(gel, annular):
    """Flow through the open core over flow through the open lumen."""
    if annular:
        return max(0.0, 1.0 - 2.04 * np.sqrt(gel)) ** 3
    if gel >= 0.113:
        return 0.0
    return (
        1.0 - min(1.0, 2.04 * np.sqrt(gel) + (1 - 2.04 * np.sqrt(0.113)) * (gel / 0.113) ** 6)
    ) ** 4


def joined_to_tip(mesh, full, core, tip):
    """Full cells that open agent joins to the tip."""
    fed = np.zeros(mesh.n_cells, dtype=bool)
    fed[tip] = full[tip]
    if core[tip] == 0.0:
        return fed
    while True:
        before = fed.sum()
        for a, b in zip(mesh.face_owner, mesh.face_neighbour, strict=True):
            for near, far in ((a, b), (b, a)):
                if fed[near] and full[far] and core[far] > 0.0:
                    fed[far] = True
        if fed.sum() == before:
            return fed


class Faces:
    """Law of every face: Q = conductance (P_owner - P_far + drive); a sign where it is a diode."""

    def __init__(self, case, before, broken):
        mesh, agent = case.mesh, case.agent
        n, m, t = mesh.n_cells, mesh.n_faces, mesh.n_terminals
        full = before.full == 1
        share = before.agent_volume / mesh.cell_volume
        core = np.array(
            [mobility(g, h > 0) for g, h in zip(before.gel, mesh.cell_gap, strict=True)]
        )
        lives = np.where(full, joined_to_tip(mesh, full, core, case.source.cell), False)
        lives |= with_a_way_out(mesh, full)
        contrast = agent.density - case.blood_density
        weight = contrast * (mesh.cell_centroid @ case.gravity)
        between = contrast * (mesh.face_centroid @ case.gravity)
        self.owner = np.concatenate([mesh.face_owner, mesh.terminal_cell])
        self.far = np.concatenate([mesh.face_neighbour, n + np.arange(t)])
        self.held_pressure = mesh.terminal_pressure
        self.conductance, self.drive = np.zeros(m + t), np.zeros(m + t)
        self.sign, self.shut = np.zeros(m + t, dtype=int), np.zeros(m + t, dtype=bool)
        gates = np.concatenate([mesh.face_gate, mesh.terminal_gate])
        for f in range(m + t):
            a, b = self.owner[f], self.far[f]
            inner = f < m
            valve = mesh.face_valve[f] if inner else 0
            a_full, b_full = full[a], inner and full[b]
            front = int(a_full) - int(b_full)
            if not lives[a] or (inner and not lives[b]):
                continue
            if (a_full or b_full) and gates[f] == NO_GATE:
                continue
            if front * valve < 0:
                continue
            ends = (
                [(a, mesh.half_resistance[f, 0], a_full or front < 0)]
                if inner
                else [(a, 0.0, a_full)]
            )
            ends += [(b, mesh.half_resistance[f, 1], b_full or front > 0)] if inner else []
            resistance = 0.0 if inner else mesh.terminal_resistance[f - m]
            for cell, half, thread in ends:
                narrow = core[cell] if thread and share[cell] > 0.0 else 1.0
                if narrow == 0.0:
                    resistance = np.inf
                    break
                agent_part = share[cell] * agent.viscosity / narrow
                resistance += half * (agent_part + (1 - share[cell]) * case.blood_viscosity[cell])
            self.conductance[f] = 1.0 / resistance
            place = between[f] if inner else weight[a]
            self.drive[f] = share[a] * (place - weight[a])
            if inner:
                self.drive[f] += share[b] * (weight[b] - place)
            self.sign[f] = front if front != 0 else valve
            self.shut[f] = front != 0 and broken[gates[f]] == 0
        self.diodes = np.flatnonzero((self.sign != 0) & (self.conductance > 0) & ~self.shut)

    def solve(self, n, is_open, tip, source):
        """Pressures of cells and inflow; `source` (rate, None) or (pressure, resistance)."""
        matrix, right = np.zeros((n, n)), np.zeros(n)
        for f in np.flatnonzero(self.conductance):
            g = self.conductance[f] * (1.0 if is_open[f] else LEAK)
            a, b, push = self.owner[f], self.far[f], g * self.drive[f]
            matrix[a, a] += g
            right[a] -= push
            if b < n:
                matrix[b, b] += g
                matrix[[a, b], [b, a]] -= g
                right[b] += push
            else:
                right[a] += g * self.held_pressure[b - n]
        strength, resistance = source
        if resistance is None:
            right[tip] += strength
        else:
            matrix[tip, tip] += 1.0 / resistance
            right[tip] += strength / resistance
        idle = np.diag(matrix) == 0.0
        matrix[idle, idle] = 1.0
        pressure = np.linalg.solve(matrix, right)
        return pressure, strength if resistance is None else (strength - pressure[tip]) / resistance

    def push(self, f, pressure):
        far = self.far[f]
        n = len(pressure)
        beyond = pressure[far] if far < n else self.held_pressure[far - n]
        return pressure[self.owner[f]] - beyond + self.drive[f]


def every_state(case, faces, rate):
    """All (pressure, inflow, flows) in which diodes, syringe and pressure limit are at one."""
    n, tip, hub = case.mesh.n_cells, case.source.cell, case.source
    found = []
    for choice in product([True, False], repeat=len(faces.diodes)):
        is_open = ~faces.shut
        is_open[faces.diodes] = choice
        pressure, inflow = faces.solve(n, is_open, tip, (rate, None))
        if pressure[tip] + rate * hub.resistance > hub.pressure_limit:
            limited = (hub.pressure_limit, hub.resistance)
            pressure, inflow = faces.solve(n, is_open, tip, limited)
        if inflow < 0.0:
            pressure, inflow = faces.solve(n, is_open, tip, (0.0, None))
        slack = 1e-9 * max(1.0, np.abs(pressure).max())
        pushes = np.array([faces.push(f, pressure) * faces.sign[f] for f in faces.diodes])
        opened = np.array(choice, dtype=bool)
        if (pushes[opened] >= -slack).all() and (pushes[~opened] <= slack).all():
            flow = np.where(is_open, faces.conductance, 0.0)
            flow *= [faces.push(f, pressure) for f in range(len(flow))]
            found.append((pressure, inflow, flow))
    return found


@for_all(
    examples=20,
    case=cases(most_cells=9, most_terminals=3, most_steps=1, compliances=(0.0,)),
    rate=st.sampled_from([1.0, 0.01, 30.0]),
)
def test_flows_are_those_of_dense_algebra(case, rate):
    """Pressures too, wherever anything flows: elsewhere they are not determined."""
    mesh = replace(case.mesh, terminal_resistance=np.maximum(case.mesh.terminal_resistance, 0.5))
    case = replace(case, mesh=mesh)
    first = next(step for step in case.steps if isinstance(step, Step))
    pushed = (replace(first, rate=0.5),)
    before = replace(case, steps=pushed).run()
    after = replace(case, steps=(*pushed, Step(SPECK, rate))).run()
    assume(before.stop_reason == "protocol complete" and after.steps == before.steps + 1)
    assume(not after.tears or len(after.tears) == len(before.tears))
    state = after.state
    assume((state.full == before.state.full).all())
    # gates that the solve broke were unbroken before
    faces = Faces(case, before.state, np.maximum(before.state.broken, state.broken))
    assume(len(faces.diodes) <= MOST_DIODES)
    found = every_state(case, faces, rate)
    assert found
    pressure, inflow, flow = found[0]
    scale = max(np.abs(flow).max(), inflow, 1e-6)
    np.testing.assert_allclose(state.flow, flow, rtol=1e-6, atol=1e-6 * scale)
    moves = np.zeros(mesh.n_cells, dtype=bool)
    for f in np.flatnonzero(np.abs(flow) > 1e-6 * scale):
        moves[[c for c in (faces.owner[f], faces.far[f]) if c < mesh.n_cells]] = True
    np.testing.assert_allclose(state.pressure[moves], pressure[moves], rtol=1e-6, atol=1e-6)
