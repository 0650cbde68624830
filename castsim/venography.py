"""Venography: contrast medium from a catheter, carried along by the blood of the resting veins.

**Flow.** The resting network (:mod:`castsim.venous_flow`) with its calibrated terminals and valves,
and one source more: the rate at the catheter's tip. The injection pushes blood before it, and
against its resting way where it is stronger.

**Contrast medium.** Share c_i of each cell's content, mixed over its section, from none::

    V_i dc_i/dt = s_i + sum over inflows |q_ji| c_j - out_i c_i

Terminals bring blood without contrast medium. Upwind, and implicit in time, so that every step is
one sweep down the flow. Left out: its weight and viscosity, what a thin layer in a wide vein would
do, and what the pressure of the injection would do to the veins' calibre.
"""

from dataclasses import dataclass, replace

import numpy as np

from castsim.blood_solver import BloodSolver, State, face_flow, sum_by
from castsim.errors import SolverError
from castsim.kernels.blood import gathered
from castsim.kernels.contrast import carry, downstream_order
from castsim.venous_flow import VenousFlow
from geometry.flowmesh import FloatArray, FlowMesh
from geometry.network import TerminalKind

STEPS = 200
"""Steps in time of one injection."""
STIFF_PA_S_MM3 = 1e6
"""Resistance behind which the syringe sits: so large that its rate is set, whatever veins do."""


@dataclass(frozen=True)
class Venogram:
    """Contrast medium in the veins at the end of an injection.

    Attributes
    ----------
    cell : in which the catheter's tip lies
    share : (n,) of every cell's content that is contrast medium, 0 to 1
    pressure_rise : Pa, at the tip, over the resting pressure
    injected, left : mm3 out of the tip, and carried off through the ends of the network
    """

    cell: int
    share: FloatArray
    pressure_rise: float
    injected: float
    left: float


def inject_contrast(rest: VenousFlow, cell: int, rate: float, volume: float) -> Venogram:
    """Inject contrast medium into resting veins.

    Parameters
    ----------
    rest : resting flow
    cell : of its mesh, in which the tip lies
    rate : mm3/s
    volume : mm3

    Raises
    ------
    SolverError
        If the flow has a loop, which pressures cannot make.
    """
    mesh = _with_syringe(rest, cell, rate)
    state = BloodSolver(mesh).solve(mesh, rest.viscosity)
    flow = face_flow(mesh, state)
    into, out_of = gathered(mesh.n_cells, mesh.face_owner, mesh.face_neighbour, flow)
    by_terminal = _terminal_flow(mesh, state, into - out_of)
    pushed = -by_terminal[-1]
    # blood and contrast medium that come in by terminals are what leaves and did not come by faces
    leaving = out_of + sum_by(mesh.terminal_cell, np.maximum(by_terminal, 0.0), mesh.n_cells)
    order, first, faces = downstream_order(mesh.n_cells, mesh.face_owner, mesh.face_neighbour, flow)
    if order.min() < 0:
        raise SolverError("venography: blood runs in a loop")
    source, share = np.zeros(mesh.n_cells), np.zeros(mesh.n_cells)
    source[cell] = pushed
    seconds = volume / rate
    carry(
        order, first, faces, mesh.face_owner, mesh.face_neighbour, flow, mesh.cell_volume, leaving,
        source, seconds / STEPS, STEPS, share,
    )  # fmt: skip
    injected = pushed * seconds
    return Venogram(
        cell=cell,
        share=share,
        pressure_rise=float(state.pressure[cell] - rest.pressure[cell]),
        injected=injected,
        left=injected - float(share @ mesh.cell_volume),
    )


def _with_syringe(rest: VenousFlow, cell: int, rate: float) -> FlowMesh:
    """The resting mesh with a stiff source at the tip as its last terminal."""
    mesh = rest.mesh
    held = float(rest.pressure[cell]) + rate * STIFF_PA_S_MM3
    return replace(
        mesh,
        terminal_cell=np.append(mesh.terminal_cell, cell),
        terminal_pressure=np.append(mesh.terminal_pressure, held),
        terminal_resistance=np.append(mesh.terminal_resistance, STIFF_PA_S_MM3),
        terminal_radius=np.append(mesh.terminal_radius, mesh.cell_radius[cell]),
        terminal_kind=np.append(mesh.terminal_kind, int(TerminalKind.TRIBUTARY)),
        terminal_gate=np.append(mesh.terminal_gate, mesh.terminal_gate[:1]),
        terminal_name=(*mesh.terminal_name, "syringe") if mesh.terminal_name else (),
    )


def _terminal_flow(mesh: FlowMesh, state: State, surplus: FloatArray) -> FloatArray:
    """Flow out by every terminal, (t,); `surplus` (n,) is what faces bring and do not take."""
    fixes, cell, n = mesh.terminal_resistance == 0, mesh.terminal_cell, mesh.n_cells
    resistance = np.where(fixes, np.inf, mesh.terminal_resistance)
    flow = (state.pressure[cell] - mesh.terminal_pressure) / resistance
    over = surplus[cell] - sum_by(cell, flow, n)[cell]
    flow[fixes] = (over / np.maximum(sum_by(cell, fixes, n)[cell], 1))[fixes]
    return np.asarray(flow)
