"""Resting flow of the typical anatomy inside the bands of castsim/data/haemodynamics.csv."""

from dataclasses import replace

import numpy as np
import pytest

from castsim.blood_solver import BloodSolver
from castsim.far_field import window
from castsim.physiology import Physiology
from castsim.units import Pa_from_mmHg, mL_min_from_uL_s, mmHg_from_Pa
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.levels import SIDES, Level
from geometry.network import TerminalKind
from geometry.structures import Compartment, Structure

REST = Physiology.default()
SEGMENTAL = (
    Structure.PARASPINAL,
    Structure.POSTERIOR_INTERCOSTAL,
    Structure.SUBCOSTAL,
    Structure.LUMBAR,
)
EPIDURAL = [s for s in Structure if s.compartment is Compartment.EPIDURAL]
LONGITUDINAL = (Structure.ANTERIOR_EPIDURAL, Structure.POSTERIOR_EPIDURAL)


@pytest.fixture(scope="module")
def mesh() -> CentrelineMesh:
    return centreline_mesh(Anatomy.typical().network)


@pytest.fixture(scope="module")
def rest(mesh: CentrelineMesh) -> VenousFlow:
    return resting_flow(mesh.flow, REST)


@pytest.fixture(scope="module")
def strained(mesh: CentrelineMesh) -> VenousFlow:
    return resting_flow(mesh.flow, replace(REST, abdominal_pressure_Pa=Pa_from_mmHg(20.0)))


def upward_flow(flow: VenousFlow, level: Level) -> float:
    """Net flow up the epidural columns through the plane at mid-height of a vertebra, uL/s."""
    mesh = flow.mesh
    column = np.isin(mesh.cell_structure, LONGITUDINAL)
    height = mesh.cell_centroid[:, 2]
    plane = np.median(height[column & (mesh.cell_level == level)])
    above = height > plane
    inside = column[mesh.face_owner] & column[mesh.face_neighbour]
    rises = above[mesh.face_neighbour].astype(int) - above[mesh.face_owner].astype(int)
    return float((flow.face_flow * rises)[inside].sum())


def test_azygos_outflow(rest: VenousFlow) -> None:
    """165 (thermodilution) to 320 mL/min (MR); drawn: 200."""
    assert 165 <= mL_min_from_uL_s(rest.azygos_outflow) <= 320
    assert mL_min_from_uL_s(rest.azygos_outflow) == pytest.approx(200, rel=0.01)


def test_every_segmental_vein_carries_5_to_18_mL_min(rest: VenousFlow) -> None:
    mesh = rest.mesh
    for level in range(Level.T1, Level.L5 + 1):
        for side in SIDES:
            vein = np.isin(mesh.cell_structure, SEGMENTAL)
            vein &= (mesh.cell_level == level) & (mesh.cell_side == side)
            flow = mL_min_from_uL_s(float(rest.cell_flow[vein].max()))
            assert 5 <= flow <= 18, (Level(level).name, side.name, flow)


def test_epidural_pressure_lies_between_4_and_11_mmHg_and_below_csf(rest: VenousFlow) -> None:
    epidural = np.isin(rest.mesh.cell_structure, EPIDURAL)
    pressure = rest.pressure[epidural]
    assert mmHg_from_Pa(float(pressure.min())) >= 4
    assert mmHg_from_Pa(float(pressure.max())) <= 11
    assert pressure.max() < REST.csf_pressure_Pa
    assert rest.csf_gradient(REST.csf_pressure_Pa) < rest.csf_gradient(REST.csf_hypotension_Pa)
    # even the low CSF pressure of these patients exceeds that of the veins: the leak goes on
    assert rest.csf_gradient(REST.csf_hypotension_Pa) < 0


def test_great_veins_carry_what_was_measured(rest: VenousFlow) -> None:
    """SVC 1.5-2.2 L/min; infrarenal IVC 1.2 +- 0.5 L/min; jugular and vertebral 766 +- 226."""
    mesh = rest.mesh
    svc = rest.cell_flow[mesh.cell_structure == Structure.SVC].max()
    assert 1500 <= mL_min_from_uL_s(float(svc)) <= 2200
    iliac = [name.startswith("iliac") for name in mesh.terminal_name]
    assert 700 <= mL_min_from_uL_s(float(-rest.terminal_flow[iliac].sum())) <= 1700


def test_hazard_veins_bring_blood_out_of_the_dura(rest: VenousFlow) -> None:
    hazard = rest.mesh.terminal_kind == TerminalKind.HAZARD
    flow = mL_min_from_uL_s(1.0) * -rest.terminal_flow[hazard]
    assert hazard.any()
    assert flow.min() > 0
    assert flow.max() <= 0.5


def test_blood_is_balanced(rest: VenousFlow) -> None:
    mesh, n = rest.mesh, rest.mesh.n_cells
    net = np.bincount(mesh.face_owner, rest.face_flow, n)
    net -= np.bincount(mesh.face_neighbour, rest.face_flow, n)
    net += np.bincount(mesh.terminal_cell, rest.terminal_flow, n)
    assert np.abs(net).max() < 1e-9 * np.abs(rest.terminal_flow).max()
    assert abs(rest.terminal_flow.sum()) < 1e-9 * np.abs(rest.terminal_flow).max()


def test_tracer_tells_right_t9_from_the_neck(rest: VenousFlow) -> None:
    mesh = rest.mesh
    share = rest.azygos_fraction
    assert ((share >= -1e-9) & (share <= 1 + 1e-9)).all()
    t9 = (mesh.cell_structure == Structure.PARASPINAL) & (mesh.cell_level == Level.T9)
    neck = (mesh.cell_structure == Structure.FORAMINAL) & (mesh.cell_level == Level.C6)
    assert np.median(share[t9]) > 0.9
    assert np.median(share[neck]) < 0.1


@pytest.mark.parametrize("level", [Level.L1, Level.L2, Level.L3, Level.L4])
def test_batson_straining_sends_blood_up_the_lumbar_epidural_veins(
    rest: VenousFlow, strained: VenousFlow, level: Level
) -> None:
    """Batson 1940: abdominal pressure turns the caval blood into the vertebral plexus."""
    assert upward_flow(strained, level) > 5 * max(upward_flow(rest, level), 0.0)
    assert mL_min_from_uL_s(upward_flow(strained, level)) > 10


def test_infrarenal_pressure_that_the_design_warns_of(mesh: CentrelineMesh) -> None:
    """With 3 mmHg instead of 0.5 between IVC and SVC the shunt from below alone is too much."""
    high = replace(REST, ivc_excess_Pa=Pa_from_mmHg(3.0))
    shunt = resting_flow(mesh.flow, high)
    muscle = [name.startswith("muscular T9") for name in shunt.mesh.terminal_name]
    ordinary = resting_flow(mesh.flow, REST)
    assert (shunt.terminal_flow[muscle] > 0.5 * ordinary.terminal_flow[muscle]).all(), (
        "little is left for the intercostal veins to bring"
    )


def test_window_of_the_whole_spine_is_exact_and_small(rest: VenousFlow) -> None:
    """A strong source at a foramen of T9, in the whole spine and in its window."""
    part = window(rest.mesh, rest, range(Level.T6, Level.T12 + 1))
    assert len(part.ports) < 100
    assert part.mesh.n_cells < 0.4 * rest.mesh.n_cells
    tip = np.flatnonzero(
        (part.mesh.cell_structure == Structure.FORAMINAL) & (part.mesh.cell_level == Level.T9)
    )[10]
    pressures = []
    for mesh, cell, viscosity in (
        (rest.mesh, part.cells[tip], rest.viscosity),
        (part.mesh, tip, rest.viscosity[part.cells]),
    ):
        driven = replace(
            mesh,
            terminal_cell=np.append(mesh.terminal_cell, cell),
            terminal_pressure=np.append(mesh.terminal_pressure, 5000.0),
            terminal_resistance=np.append(mesh.terminal_resistance, 1.0),
            terminal_radius=np.append(mesh.terminal_radius, 1.0),
            terminal_kind=np.append(mesh.terminal_kind, int(TerminalKind.TRIBUTARY)),
            terminal_gate=np.append(mesh.terminal_gate, 0),
            terminal_name=(),
        )
        pressures.append(BloodSolver(driven).solve(driven, viscosity).pressure)
    whole, inside = pressures
    assert np.abs(whole - rest.pressure).max() > 100
    np.testing.assert_allclose(inside, whole[part.cells], rtol=0, atol=1e-10 * np.ptp(whole))
