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

Valves conduct one way (:mod:`castsim.blood_solver`). All solves are those of the skeleton, in which
every chain of cells is one link; the pressures along the chains follow from its own at the end.
"""

from dataclasses import dataclass, replace

import numpy as np

from castsim.blood_solver import (
    BloodSolver,
    State,
    face_conductance,
    face_flow,
    sum_by,
)
from castsim.errors import SolverError
from castsim.kernels.blood import gathered, share_downstream
from castsim.physiology import Physiology, is_abdominal, shear_viscosity, wanted_inflow
from castsim.reduction import Skeleton
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
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
        if physiology.abdominal_pressure_Pa:
            raised += sourced * is_abdominal(mesh) * physiology.abdominal_pressure_Pa
    pressure[sourced] = physiology.upstream_Pa
    mesh = replace(mesh, terminal_pressure=pressure)
    rest = _Rest(mesh, physiology)
    rest.calibrate(sourced)
    if raised.any():
        rest.strain(raised)
    blood, state = rest.solve()
    return _venous_flow(rest.mesh(), physiology, blood, state)


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


@dataclass(frozen=True)
class _Ivc:
    """The IVC as a chain of faces.

    faces : (f,) of the chain
    upper : (f,) those above L1 (all, if none lies there)
    upwards : (f,) +1 where the face leads up, -1 down
    lowest : place of the lowest one in `faces`
    """

    faces: IntArray
    upper: BoolArray
    upwards: FloatArray
    lowest: int

    @classmethod
    def of(cls, mesh: FlowMesh) -> "_Ivc":
        inside = (mesh.cell_structure == Structure.IVC) & (mesh.cell_side == Side.MIDLINE)
        faces = np.flatnonzero(inside[mesh.face_owner] & inside[mesh.face_neighbour])
        owner, neighbour = mesh.face_owner[faces], mesh.face_neighbour[faces]
        upper = mesh.cell_level[owner] < Level.L1
        height = mesh.cell_centroid[:, 2]
        return cls(
            faces=faces,
            upper=upper if upper.any() else np.ones(len(faces), dtype=bool),
            upwards=np.sign(height[neighbour] - height[owner]),
            lowest=int(np.argmin(mesh.face_centroid[faces, 2])) if len(faces) else -1,
        )


class _Rest:
    """The skeleton of a mesh on its way to a calibrated one; `_small` is what it is now."""

    def __init__(self, mesh: FlowMesh, physiology: Physiology) -> None:
        self._whole, self._physiology = mesh, physiology
        gate, ivc = _azygos_gate(mesh), _Ivc.of(mesh)
        busy = np.zeros(mesh.n_cells, dtype=bool)
        for faces in (np.flatnonzero(gate), ivc.faces):
            busy[mesh.face_owner[faces]] = busy[mesh.face_neighbour[faces]] = True
        self._skeleton = Skeleton(mesh, busy)
        self._blood = np.full(mesh.n_cells, physiology.blood_viscosity_Pa_s)
        self._small = self._skeleton.reduce(mesh, self._blood)
        self._solver = BloodSolver(self._small, np.ones(self._small.n_cells, dtype=bool))
        own = self._skeleton.faces
        self._gate = np.zeros(self._small.n_faces)
        self._gate[: len(own)] = gate[own]
        self._ivc = replace(ivc, faces=np.searchsorted(own, ivc.faces))
        self._plain = self._small.half_resistance

    def mesh(self) -> FlowMesh:
        """Return the whole mesh with the terminals and the upper IVC of the skeleton."""
        half, faces = self._whole.half_resistance.copy(), self._skeleton.faces
        half[faces] = self._small.half_resistance[: len(faces)]
        return replace(
            self._whole,
            terminal_pressure=self._small.terminal_pressure,
            terminal_resistance=self._small.terminal_resistance,
            half_resistance=half,
        )

    def solve(self) -> tuple[FloatArray, State]:
        """Viscosity (n,) of the blood, and the state of the whole mesh."""
        mesh = self.mesh()
        state = self._expanded(mesh, self._blood, self._solve_small())
        if self._physiology.blood_model == "shear":
            return self._shear_thinned(mesh, self._blood, state)
        return self._blood, state

    def _solve_small(self) -> State:
        return self._solver.solve(self._small, self._blood[self._skeleton.cells])

    def _expanded(self, mesh: FlowMesh, blood: FloatArray, small: State) -> State:
        return self._skeleton.expand(mesh, blood, small)

    def calibrate(self, sourced: BoolArray) -> None:
        """Give the `sourced` terminals their resistances."""
        if not sourced.any():
            self._with_ivc_flow()
            return
        physiology, mesh = self._physiology, self._small
        wanted = np.where(sourced, wanted_inflow(mesh), 0.0)
        cell = mesh.terminal_cell
        span = physiology.upstream_Pa - physiology.right_atrium_Pa
        cord = mesh.terminal_kind == TerminalKind.HAZARD

        def sources(upstream: float | FloatArray, pressure: FloatArray, inflow: FloatArray) -> None:
            drop = np.maximum(upstream - pressure[cell], LEAST_DROP * span)
            # the cord's blood still comes where the vein's pressure is above the CSF's
            upstream = np.where(cord, np.maximum(upstream, pressure[cell] + drop), upstream)
            resistance = self._small.terminal_resistance.copy()
            resistance[sourced] = drop[sourced] / inflow[sourced]
            held = np.where(sourced, upstream, self._small.terminal_pressure)
            self._small = replace(
                self._small, terminal_resistance=resistance, terminal_pressure=held
            )

        # veins of the cord lie in CSF and leave it by some 48 roots: one that is shut sends its
        # blood to the others, so its pressure stays near that of the CSF
        behind = np.where(cord, physiology.csf_hypotension_Pa, physiology.upstream_Pa)
        # so far upstream that the wanted flows are as good as imposed, yet never without a solution
        stiff = physiology.right_atrium_Pa + STIFFNESS * span
        sources(stiff, np.full(mesh.n_cells, physiology.right_atrium_Pa), wanted)
        self._with_ivc_flow()
        state = self._solve_small()

        share = self._share_to_azygos(state)[cell]
        territory = sourced & (share > 0.5)
        from_territory = float((share * wanted)[territory].sum())
        factor = 1.0
        for _ in range(CALIBRATION_PASSES):
            if territory.any() and physiology.azygos_outflow_uL_s > 0:
                outflow = float(self._gate @ face_flow(mesh, state))
                missing = physiology.azygos_outflow_uL_s - outflow
                factor = np.clip(factor + missing / from_territory, SMALLEST_FACTOR, LARGEST_FACTOR)
            scaled = np.where(territory, factor * wanted, wanted)
            sources(behind, state.pressure, scaled)
            state = self._solve_small()

    def _share_to_azygos(self, state: State) -> FloatArray:
        """Share of an inflow at each cell of the skeleton that leaves by the azygos."""
        mesh, pull = self._small, self._gate * state.conductance
        at_owner = sum_by(mesh.face_owner, pull, mesh.n_cells)
        at_neighbour = sum_by(mesh.face_neighbour, pull, mesh.n_cells)
        return self._solver.laplacian.solve(at_owner - at_neighbour)

    def strain(self, raised: FloatArray) -> None:
        """Raise the terminals' pressures (t,) and bring the IVC's flow to its own once more."""
        pressure = self._small.terminal_pressure + raised
        self._small = replace(self._small, terminal_pressure=pressure, half_resistance=self._plain)
        self._with_ivc_flow()

    def _with_ivc_flow(self) -> None:
        """Raise the resistance of the upper IVC so that its lower end carries its measured flow."""
        mesh, ivc, wanted = self._small, self._ivc, self._physiology.ivc_flow_uL_s
        outlet = mesh.terminal_kind == TerminalKind.OUTLET
        if not len(ivc.faces) or not outlet.any() or wanted <= 0:
            return
        highest = float(mesh.terminal_pressure[outlet].max())
        drop = highest - float(mesh.terminal_pressure[outlet].min())
        foot = mesh.face_owner[ivc.faces[ivc.lowest]]
        blood = self._blood[self._skeleton.cells]
        resistance = 1 / face_conductance(mesh, blood)[ivc.faces]
        plain = mesh.half_resistance
        for _ in range(IVC_PASSES):
            state = self._solve_small()
            flow = ivc.upwards * face_flow(mesh, state)[ivc.faces]
            # renal and hepatic inflows stay as they are, the flow from the legs becomes the wanted
            grown = wanted / max(flow[ivc.lowest], np.finfo(float).tiny)
            iliac_drop = grown * (highest - float(state.pressure[foot]))
            flow += wanted - flow[ivc.lowest]
            below = float((resistance * flow)[~ivc.upper].sum())
            needed = drop - min(iliac_drop, 0.5 * drop) - below
            plain_drop = float((resistance * flow)[ivc.upper].sum())
            factor = max(1.0, needed / plain_drop) if plain_drop > 0 else 1.0
            half = plain.copy()
            half[ivc.faces[ivc.upper]] *= factor
            self._small = replace(self._small, half_resistance=half)

    def _shear_thinned(
        self, mesh: FlowMesh, viscosity: FloatArray, state: State
    ) -> tuple[FloatArray, State]:
        """Viscosity by wall shear rate, as a damped fixed point with the terminals kept.

        Wall shear rate 4 Q / (pi R^3) with R = sqrt(ab), or 6 u / gap round a catheter.
        """
        radius = np.sqrt(mesh.cell_radius * mesh.cell_radius_minor)
        annular = mesh.cell_gap > 0
        gap = np.where(annular, mesh.cell_gap, radius)
        annulus = np.pi * gap * (2 * radius - gap)
        per_flow = np.where(annular, 6 / (annulus * gap), 4 / (np.pi * radius**3))
        cells = self._skeleton.cells
        for _ in range(SHEAR_ROUNDS):
            flow = _Flows(mesh, state).through
            # the geometric mean of old and new damps the swing between parallel strands
            updated = np.sqrt(viscosity * shear_viscosity(per_flow * flow))
            change = float(np.abs(np.log(updated / viscosity)).max())
            viscosity = updated
            small = self._skeleton.reduce(mesh, viscosity)
            state = self._expanded(mesh, viscosity, self._solver.solve(small, viscosity[cells]))
            if change < SHEAR_TOLERANCE:
                return viscosity, state
        raise SolverError(f"resting flow: shear viscosity did not settle in {SHEAR_ROUNDS} rounds")


class _Flows:
    """Flows of a state.

    face : (m,) from owner to neighbour
    terminal : (t,) out of the network
    through : (n,) sum of the inflows of each cell
    leaving : (n,) sum of its outflows
    """

    def __init__(self, mesh: FlowMesh, state: State) -> None:
        n, cell, fixes = mesh.n_cells, mesh.terminal_cell, mesh.terminal_resistance == 0
        self.face = face_flow(mesh, state)
        into, out_of = gathered(n, mesh.face_owner, mesh.face_neighbour, self.face)
        resistance = np.where(fixes, np.inf, mesh.terminal_resistance)
        flow = (state.pressure[cell] - mesh.terminal_pressure) / resistance
        # what a cell of held pressure has too much leaves by its (evenly shared) open ends
        surplus = (into - out_of)[cell] - sum_by(cell, flow, n)[cell]
        flow[fixes] = (surplus / np.maximum(sum_by(cell, fixes, n)[cell], 1))[fixes]
        self.terminal = flow
        self.through = into + sum_by(cell, np.maximum(-flow, 0.0), n)
        self.leaving = out_of + sum_by(cell, np.maximum(flow, 0.0), n)


def _venous_flow(
    mesh: FlowMesh, physiology: Physiology, viscosity: FloatArray, state: State
) -> VenousFlow:
    """Flows, and the tracer, from a state."""
    flows = _Flows(mesh, state)
    azygos = np.isin(mesh.cell_structure, AZYGOS_SYSTEM)
    return VenousFlow(
        mesh=mesh,
        physiology=physiology,
        pressure=state.pressure,
        face_flow=flows.face,
        terminal_flow=flows.terminal,
        cell_flow=flows.through,
        viscosity=viscosity,
        valve_open=state.valve_open,
        azygos_fraction=share_downstream(
            mesh.face_owner, mesh.face_neighbour, flows.face, flows.leaving, azygos
        ),
    )
