"""Simulated fluoroscopy: one frontal view of 1024 x 1024 pixels, and its parts, with warm kernels.

Run with ``make bench``. The view is a whole image: lengths in veins, bones and trunk, attenuation,
noise and blur of mask and live image. A recipe that marches rays through a grid of voxels with
trilinear samples takes 0.2 to 0.3 s for the lengths alone on two threads, and its grid besides.
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from castsim.fluoroscopy import Scene, beam_at, isocentre_at, line_integrals, take
from castsim.scenario_file import load_scenario
from castsim.venography import inject_contrast
from castsim.venous_flow import VenousFlow, resting_flow
from castsim.xray import load_xray
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.levels import Level, Side
from geometry.structures import Structure

ROUNDS = 7
Patient = tuple[Anatomy, CentrelineMesh, VenousFlow]


@pytest.fixture(scope="module")
def patient() -> Patient:
    anatomy = Anatomy.typical()
    mesh = centreline_mesh(anatomy.network)
    return anatomy, mesh, resting_flow(mesh.flow, load_scenario("right-t9").resolved().physiology())


@pytest.fixture(scope="module")
def tip(patient: Patient) -> int:
    flow = patient[1].flow
    inside = (
        (flow.cell_structure == Structure.ANTERIOR_EPIDURAL)
        & (flow.cell_level == Level.T9)
        & (flow.cell_side == Side.LEFT)
    )
    return int(np.flatnonzero(inside)[0])


@pytest.fixture(scope="module")
def scene(patient: Patient, tip: int) -> Scene:
    anatomy, mesh, rest = patient
    share = inject_contrast(rest, tip, 1000.0, 6000.0).share
    return Scene(anatomy, mesh, load_xray().contrast_medium * share)


@pytest.mark.measures(
    "simulated fluoroscopy, a subtracted view of 1024² pixels", "castsim", bar="≤ 1.5 s",
    at_most_s=1.5,
)  # fmt: skip
def test_view(benchmark: BenchmarkFixture, patient: Patient, scene: Scene) -> None:
    """From what the veins hold to the image."""
    isocentre = isocentre_at(patient[0], 0.0)
    image = benchmark.pedantic(take, (scene, isocentre), rounds=ROUNDS, warmup_rounds=1)
    assert image.signal.max() > 0.3


@pytest.mark.measures("lengths of 1024² rays in veins, bones and trunk", "castsim")
def test_lengths(benchmark: BenchmarkFixture, patient: Patient, scene: Scene) -> None:
    """The projection alone."""
    beam = beam_at(isocentre_at(patient[0], 0.0), "ap")
    paths = benchmark.pedantic(
        line_integrals, (scene, beam, load_xray()), rounds=ROUNDS, warmup_rounds=1
    )
    assert paths.still.min() > 0.0


@pytest.mark.measures("venogram: flow with an injection, and contrast medium in it", "castsim")
def test_venogram(benchmark: BenchmarkFixture, patient: Patient, tip: int) -> None:
    """Whole spine, 200 steps."""
    filled = benchmark.pedantic(
        inject_contrast, (patient[2], tip, 1000.0, 6000.0), rounds=ROUNDS, warmup_rounds=1
    )
    assert filled.share.max() > 0.9
