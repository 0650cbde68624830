"""Resting venous flow before injection.

Equation, for every cell i (reduced pressure P = p - rho_b g.x, so blood needs no gravity)::

    sum_j (P_i - P_j) / (mu_i h_ij + mu_j h_ji) = q_i          Poiseuille faces
    q_i = (P_terminal - P_i) / R_terminal                       Thevenin terminals

Signs: `face_flow` is positive from owner to neighbour, `terminal_flow` positive out of the
network.

Ends. OUTLETs hold their pressure. Every TRIBUTARY or HAZARD without a resistance of its own
becomes a Thevenin source: upstream pressure P_up behind R_i = (P_up - P_i) / q_i*, with P_i
from a pre-solve in which the wanted inflows q_i* are all but imposed. P_up of a HAZARD (the cord)
is the CSF pressure of these patients. So a pocket without outflow
rises to P_up at most, where an imposed inflow would drive it to any pressure.

Azygos. Its outflow (into veins that are not azygos) is A = A_0 + sum_i w_i q_i*, linear in the
inflows: A_0 is the shunt from the held pressures (iliac veins by the ascending lumbar veins),
w_i the share of q_i* that leaves that way (one adjoint solve). Terminals with w_i > 1/2 are
its territory T; their q_i* are scaled by f = (A* - A_0 - sum_{not T} w q*) / sum_T w q*.

Upper IVC. Taken as a plain tube the IVC would carry 15 L/min under 0.5 mmHg. What holds the
infrarenal pressure up is the intrahepatic and diaphragmatic passage (a Starling resistor), so
the IVC's faces above L1 (all of them, if none lies there) get one common factor, with which
the IVC as a chain carries its measured flow at the outlet pressures of the moment.

Valves conduct one way; an active set of closed faces is found by repeated solves.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve_triangular

from castsim.blood_solver import (
    BloodSolver,
    BoolArray,
    State,
    face_conductance,
    face_flow,
    sum_by,
)
from castsim.errors import SolverError
from castsim.physiology import Physiology, is_abdominal, shear_viscosity, wanted_inflow
from geometry.flowmesh import FloatArray, FlowMesh
from geometry.levels import Level, Side
from geometry.network import TerminalKind
from geometry.structures import Compartment, Structure

AZYGOS_SYSTEM = (
    Structure.AZYGOS,
    Structure.AZYGOS_ARCH,
    Structure.HEMIAZYGOS,
    Structure.ACCESSORY_HEMIAZYGOS,
)
"""The azygos system in the sense of reflux. Superior and supreme intercostal and ascending
lumbar veins are feeders: part of their blood goes elsewhere, and the tracer says how much."""

LEAST_DROP = 0.1
"""A tributary keeps at least this part of P_up - P_right_atrium across its resistance."""
SMALLEST_FACTOR, LARGEST_FACTOR = 0.05, 20.0
"""Bounds of the factor on the azygos territory, so that no draw can turn a tributary round."""
STIFFNESS = 100.0
"""Upstream pressure of the pre-solve, in units of P_up - P_right_atrium."""
SHEAR_ROUNDS = 60
SHEAR_TOLERANCE = 1e-6
CALIBRATION_PASSES = 3
IVC_PASSES = 2


@dataclass(frozen=True)
class VenousFlow:
    """Blood at rest.

    Attributes
    ----------
    mesh : the mesh with calibrated terminals (and upper IVC)
    physiology : what it was calibrated to
    pressure : (n,) Pa, reduced
    face_flow : (m,) uL/s, owner to neighbour
    terminal_flow : (t,) uL/s, out of the network
    cell_flow : (n,) uL/s through each cell (sum of its inflows)
    viscosity : (n,) Pa s of the blood in each cell
    valve_open : (m,) False only where a valve is shut
    azygos_fraction : (n,) share of the blood leaving each cell that goes through the azygos
        system; 1 in that system itself
    """

    mesh: FlowMesh
    physiology: Physiology
    pressure: FloatArray
    face_flow: FloatArray
    terminal_flow: FloatArray
    cell_flow: FloatArray
    viscosity: FloatArray
    valve_open: BoolArray
    azygos_fraction: FloatArray

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def azygos_outflow(self) -> float:
        """Flow out of the azygos system into other veins, net, uL/s."""
        return float(np.sum(_azygos_gate(self.mesh) * self.face_flow))

    def csf_gradient(self, csf_pressure_Pa: float) -> float:
        """Median epidural pressure minus that of the CSF, Pa; negative: CSF can enter veins."""
        epidural = [s for s in Structure if s.compartment is Compartment.EPIDURAL]
        inside = np.isin(self.mesh.cell_structure, epidural)
        return float(np.median(self.pressure[inside])) - csf_pressure_Pa


def resting_flow(mesh: FlowMesh, physiology: Physiology) -> VenousFlow:
    """Solve for the blood at rest and calibrate the terminals.

    OUTLETs named ``right_atrium`` are held at the right atrium's pressure, other named outlets
    at `ivc_excess` and the abdominal rise above it; outlets without names keep their own.
    Terminals that have a resistance keep it and their pressure. Resistances are calibrated
    without the abdominal rise and then kept: a patient who strains has the same tissue.

    Raises
    ------
    SolverError
        When no terminal holds a pressure, or the valves find no state.
    """
    kind, named = mesh.terminal_kind, bool(mesh.terminal_name)
    outlet = kind == TerminalKind.OUTLET
    given = mesh.terminal_resistance > 0
    if not (outlet | given | (kind == TerminalKind.CUT)).any():
        raise SolverError("resting flow: no terminal holds a pressure; add an outlet")
    sourced = ~outlet & ~given & (kind != TerminalKind.CUT)
    at_heart = np.array([name == "right_atrium" for name in mesh.terminal_name], dtype=bool)
    pressure, raised = mesh.terminal_pressure.copy(), np.zeros(mesh.n_terminals)
    if named:
        pressure[outlet & at_heart] = physiology.right_atrium_Pa
        lower = outlet & ~at_heart
        pressure[lower] = physiology.right_atrium_Pa + physiology.ivc_excess_Pa
        raised[lower] = physiology.abdominal_pressure_Pa
        raised += sourced * is_abdominal(mesh) * physiology.abdominal_pressure_Pa
    pressure[sourced] = physiology.upstream_Pa
    mesh = replace(mesh, terminal_pressure=pressure)
    blood = np.full(mesh.n_cells, physiology.blood_viscosity_Pa_s)

    plain = mesh.half_resistance
    solver = BloodSolver(mesh)
    mesh = _calibrate(mesh, physiology, blood, solver, sourced)
    if raised.any():
        mesh = replace(
            mesh, terminal_pressure=mesh.terminal_pressure + raised, half_resistance=plain
        )
        mesh = _with_ivc_flow(mesh, physiology, blood, solver)
    state = solver.solve(mesh, blood)
    if physiology.blood_model == "shear":
        blood, state = _shear_thinned(mesh, blood, state, solver)
    return _venous_flow(mesh, physiology, blood, state)


def _azygos_gate(mesh: FlowMesh) -> FloatArray:
    """+1 on faces out of the azygos system into the SVC or another great vein, -1 reversed.

    Counted are faces into SVC, brachiocephalic vein or right atrium; feeders do not count.
    """
    azygos = np.isin(mesh.cell_structure, AZYGOS_SYSTEM)
    great = np.isin(
        mesh.cell_structure, (Structure.SVC, Structure.BRACHIOCEPHALIC, Structure.RIGHT_ATRIUM)
    )
    out = azygos[mesh.face_owner] & great[mesh.face_neighbour]
    back = great[mesh.face_owner] & azygos[mesh.face_neighbour]
    return np.asarray(out.astype(np.float64) - back.astype(np.float64))


def _calibrate(
    mesh: FlowMesh,
    physiology: Physiology,
    blood: FloatArray,
    solver: BloodSolver,
    sourced: BoolArray,
) -> FlowMesh:
    """Give the `sourced` terminals their resistances."""
    if not sourced.any():
        return _with_ivc_flow(mesh, physiology, blood, solver)
    wanted = np.where(sourced, wanted_inflow(mesh), 0.0)
    cell, owner, neighbour = mesh.terminal_cell, mesh.face_owner, mesh.face_neighbour
    span = physiology.upstream_Pa - physiology.right_atrium_Pa
    cord = mesh.terminal_kind == TerminalKind.HAZARD

    def sources(
        mesh: FlowMesh, upstream: float | FloatArray, pressure: FloatArray, inflow: FloatArray
    ) -> FlowMesh:
        drop = np.maximum(upstream - pressure[cell], LEAST_DROP * span)
        # the cord's blood still comes where the vein's pressure is above the CSF's
        upstream = np.where(cord, np.maximum(upstream, pressure[cell] + drop), upstream)
        resistance = mesh.terminal_resistance.copy()
        resistance[sourced] = drop[sourced] / inflow[sourced]
        held = np.where(sourced, upstream, mesh.terminal_pressure)
        return replace(mesh, terminal_resistance=resistance, terminal_pressure=held)

    # veins of the cord lie in CSF and leave it by some 48 roots: one that is shut sends its blood
    # to the others, so its pressure stays near that of the CSF
    behind = np.where(cord, physiology.csf_hypotension_Pa, physiology.upstream_Pa)
    # so far upstream that the wanted flows are as good as imposed, yet never without a solution
    stiff = physiology.right_atrium_Pa + STIFFNESS * span
    rest = np.full(mesh.n_cells, physiology.right_atrium_Pa)
    mesh = _with_ivc_flow(sources(mesh, stiff, rest, wanted), physiology, blood, solver)
    state = solver.solve(mesh, blood)

    gate = _azygos_gate(mesh)
    pull = sum_by(owner, gate * state.conductance, mesh.n_cells)
    pull -= sum_by(neighbour, gate * state.conductance, mesh.n_cells)
    share = solver.laplacian.solve(pull)[cell]
    territory = sourced & (share > 0.5)
    from_territory = float((share * wanted)[territory].sum())

    factor = 1.0
    for _ in range(CALIBRATION_PASSES):
        if territory.any() and physiology.azygos_outflow_uL_s > 0:
            missing = physiology.azygos_outflow_uL_s - float(gate @ face_flow(mesh, state))
            factor = np.clip(factor + missing / from_territory, SMALLEST_FACTOR, LARGEST_FACTOR)
        scaled = np.where(territory, factor * wanted, wanted)
        calibrated = sources(mesh, behind, state.pressure, scaled)
        state = solver.solve(calibrated, blood)
    return calibrated


def _with_ivc_flow(
    mesh: FlowMesh, physiology: Physiology, blood: FloatArray, solver: BloodSolver
) -> FlowMesh:
    """Raise the resistance of the upper IVC so that its lower end carries its measured flow."""
    inside = (mesh.cell_structure == Structure.IVC) & (mesh.cell_side == Side.MIDLINE)
    chain = inside[mesh.face_owner] & inside[mesh.face_neighbour]
    outlet = mesh.terminal_kind == TerminalKind.OUTLET
    if not chain.any() or not outlet.any() or physiology.ivc_flow_uL_s <= 0:
        return mesh
    highest = float(mesh.terminal_pressure[outlet].max())
    drop = highest - float(mesh.terminal_pressure[outlet].min())
    upper = chain & (mesh.cell_level[mesh.face_owner] < Level.L1)
    upper = upper if upper.any() else chain
    height = mesh.cell_centroid[:, 2]
    upwards = np.sign(height[mesh.face_neighbour] - height[mesh.face_owner])
    lowest = np.argmin(np.where(chain, mesh.face_centroid[:, 2], np.inf))
    plain = mesh.half_resistance
    resistance = 1 / face_conductance(mesh, blood)
    for _ in range(IVC_PASSES):
        state = solver.solve(mesh, blood)
        flow = upwards * face_flow(mesh, state)
        # renal and hepatic inflows stay as they are, the flow from the legs becomes the wanted
        grown = physiology.ivc_flow_uL_s / max(flow[lowest], np.finfo(float).tiny)
        iliac_drop = grown * (highest - float(state.pressure[mesh.face_owner[lowest]]))
        flow += physiology.ivc_flow_uL_s - flow[lowest]
        needed = (
            drop - min(iliac_drop, 0.5 * drop) - float((resistance * flow)[chain & ~upper].sum())
        )
        plain_drop = float((resistance * flow)[upper].sum())
        factor = max(1.0, needed / plain_drop) if plain_drop > 0 else 1.0
        mesh = replace(mesh, half_resistance=np.where(upper[:, None], factor, 1.0) * plain)
    return mesh


def _shear_thinned(
    mesh: FlowMesh, viscosity: FloatArray, state: State, solver: BloodSolver
) -> tuple[FloatArray, State]:
    """Viscosity by wall shear rate, as a damped fixed point with the terminals kept.

    Wall shear rate 4 Q / (pi R^3) with R = sqrt(ab), or 6 u / gap round a catheter.
    """
    radius = np.sqrt(mesh.cell_radius * mesh.cell_radius_minor)
    annular = mesh.cell_gap > 0
    gap = np.where(annular, mesh.cell_gap, radius)
    annulus = np.pi * gap * (2 * radius - gap)
    per_flow = np.where(annular, 6 / (annulus * gap), 4 / (np.pi * radius**3))
    for _ in range(SHEAR_ROUNDS):
        flow = _through_flow(mesh, state)
        # the geometric mean of old and new damps the swing between parallel strands
        updated = np.sqrt(viscosity * shear_viscosity(per_flow * flow))
        change = float(np.abs(np.log(updated / viscosity)).max())
        viscosity = updated
        state = solver.solve(mesh, viscosity)
        if change < SHEAR_TOLERANCE:
            return viscosity, state
    raise SolverError(f"resting flow: shear viscosity did not settle in {SHEAR_ROUNDS} rounds")


def _venous_flow(
    mesh: FlowMesh, physiology: Physiology, viscosity: FloatArray, state: State
) -> VenousFlow:
    """Flows, and the tracer, from a state."""
    flow, terminal_flow = face_flow(mesh, state), _terminal_flow(mesh, state)
    return VenousFlow(
        mesh=mesh,
        physiology=physiology,
        pressure=state.pressure,
        face_flow=flow,
        terminal_flow=terminal_flow,
        cell_flow=_through_flow(mesh, state),
        viscosity=viscosity,
        valve_open=state.valve_open,
        azygos_fraction=_azygos_fraction(mesh, state.pressure, flow, terminal_flow),
    )


def _terminal_flow(mesh: FlowMesh, state: State) -> FloatArray:
    """Flow out of the network at each terminal, uL/s."""
    n, cell, fixes = mesh.n_cells, mesh.terminal_cell, mesh.terminal_resistance == 0
    through = face_flow(mesh, state)
    resistance = np.where(fixes, np.inf, mesh.terminal_resistance)
    flow = (state.pressure[cell] - mesh.terminal_pressure) / resistance
    surplus = sum_by(mesh.face_neighbour, through, n) - sum_by(mesh.face_owner, through, n)
    surplus -= sum_by(cell, flow, n)
    # what a cell of held pressure has too much leaves by its (evenly shared) open ends
    flow[fixes] = (surplus / np.maximum(sum_by(cell, fixes, n), 1))[cell[fixes]]
    return flow


def _through_flow(mesh: FlowMesh, state: State) -> FloatArray:
    """Sum of the inflows of each cell, uL/s."""
    flow = face_flow(mesh, state)
    downstream = np.where(flow >= 0, mesh.face_neighbour, mesh.face_owner)
    entering = np.maximum(-_terminal_flow(mesh, state), 0.0)
    return sum_by(downstream, np.abs(flow), mesh.n_cells) + sum_by(
        mesh.terminal_cell, entering, mesh.n_cells
    )


def _azygos_fraction(
    mesh: FlowMesh, pressure: FloatArray, face_flow: FloatArray, terminal_flow: FloatArray
) -> FloatArray:
    """Backward tracer: out_i phi_i = sum over outgoing faces q_ij phi_j; phi = 1 in the azygos.

    Blood runs down the pressure, so that cells sorted by pressure make a triangular system.
    """
    n = mesh.n_cells
    azygos = np.isin(mesh.cell_structure, AZYGOS_SYSTEM)
    upstream = np.where(face_flow >= 0, mesh.face_owner, mesh.face_neighbour)
    downstream = np.where(face_flow >= 0, mesh.face_neighbour, mesh.face_owner)
    size = np.abs(face_flow)
    leaving = sum_by(upstream, size, n) + sum_by(
        mesh.terminal_cell, np.maximum(terminal_flow, 0), n
    )
    if not azygos.any():
        return np.zeros(n)
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(pressure, kind="stable")] = np.arange(n)
    flows = (size > 0) & ~azygos[upstream]
    share = size[flows] / leaving[upstream[flows]]
    matrix = coo_array(
        (
            np.concatenate([np.ones(n), -share]),
            (
                np.concatenate([rank, rank[upstream[flows]]]),
                np.concatenate([rank, rank[downstream[flows]]]),
            ),
        ),
        shape=(n, n),
    ).tocsr()
    known = np.zeros(n)
    known[rank[azygos]] = 1.0
    return np.asarray(spsolve_triangular(matrix, known, lower=True))[rank]
