"""Agent that goes towards the cord: what raises an alarm, and where pictures mark it."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from castsim.cord import alarmed_from, cord_words, towards_cord
from castsim.holding import Holding
from castsim.units import LEAST_ML
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.structures import Structure

INJECTED = 100.0
ENTERED = 50.0
"""mm3 out of the tip."""


@pytest.fixture(scope="module")
def mesh() -> CentrelineMesh:
    return centreline_mesh(Anatomy.typical().network)


@pytest.fixture(scope="module")
def own(mesh: CentrelineMesh) -> np.ndarray:
    return np.flatnonzero(mesh.flow.cell_structure == Structure.RADICULOMEDULLARY)


def cast_with(
    mesh: CentrelineMesh,
    cells: np.ndarray,
    share: float,
    came: np.ndarray | float = ENTERED,
    beyond: float = 0.0,
) -> SimpleNamespace:
    """A cast that holds a share of these cells since `came`, and has lost `beyond` since 60 mm3."""
    first = np.full(mesh.flow.n_cells, np.inf)
    first[cells] = came

    def holding_at(volume: float) -> Holding:
        held = np.where(first < volume, share, 0.0)
        return Holding(held, float(held @ mesh.flow.cell_volume))

    log = {"volume": np.array([0.0, 60.0, INJECTED]), "hazard": np.array([0.0, 0.0, beyond])}
    return SimpleNamespace(
        mesh=mesh, first_volume=first, holding_at=holding_at, log=log, injected=INJECTED
    )


def foramina(mesh: CentrelineMesh, cells: np.ndarray) -> list[tuple[int, int]]:
    flow = mesh.flow
    return list(zip(flow.cell_level[cells].tolist(), flow.cell_side[cells].tolist(), strict=True))


@pytest.mark.parametrize(
    ("share", "beyond", "alarms", "marks"),
    [
        (0.49, 0.0, False, 0),
        (0.51, 0.0, True, 1),
        (0.01, 0.001, True, 1),
        (0.0, 0.001, True, 1),  # all of it has gone on
        (0.0, 0.0, False, 0),
    ],
)
def test_a_smear_raises_no_alarm_and_is_told(mesh, own, share, beyond, alarms, marks):
    smallest = own[[mesh.flow.cell_volume[own].argmin()]]
    room = float(mesh.flow.cell_volume[smallest[0]])
    cast = cast_with(mesh, smallest, share, beyond=beyond)
    found = towards_cord(cast, INJECTED)
    assert found.held_mL * 1e3 == pytest.approx(share * room)
    assert found.beyond_mL * 1e3 == pytest.approx(beyond)
    assert (found.alarms, len(found.entries)) == (alarms, marks)
    assert found.alarm == ("less than 0.001 mL towards the spinal cord" if alarms else "")
    said = cord_words(found.total_mL, found.beyond_mL)
    assert said.startswith("less than 0.001 mL, " if share or beyond else "none")
    before = towards_cord(cast, ENTERED)
    assert (before.total_mL, before.alarms, len(before.entries)) == (0.0, False, 0)


def test_much_in_cells_that_are_half_empty_is_no_smear(mesh, own):
    found = towards_cord(cast_with(mesh, own, 0.4), INJECTED)
    assert not found.is_cast
    assert found.held_mL > LEAST_ML
    assert found.alarms
    assert len(found.entries) == len(set(foramina(mesh, own)))


def test_every_foramen_has_one_mark_where_agent_came_first(mesh, own):
    """Several such veins leave some foramina, and some are as long as foramina are apart."""
    places = foramina(mesh, own)
    assert max(Counter(places).values()) > 3
    assert len(set(places)) > 10
    came = 20.0 + 50.0 * np.random.default_rng(0).permutation(len(own)) / len(own)
    cast = cast_with(mesh, own, 1.0, came)
    found = towards_cord(cast, INJECTED)
    first = {}
    for k in np.argsort(came):
        first.setdefault(places[k], own[k])
    expected = mesh.flow.cell_centroid[list(first.values())]
    assert sorted(found.entries.tolist()) == sorted(expected.tolist())
    assert len(towards_cord(cast, 20.0 + 1e-6).entries) == 1
    assert alarmed_from(cast) == pytest.approx(20.0, abs=0.1)


def test_the_alarm_is_dated_by_itself_and_not_by_a_smear_before_it(mesh, own):
    """What has left the veins raises it, long after agent has come into one."""
    smallest = own[[mesh.flow.cell_volume[own].argmin()]]
    cast = cast_with(mesh, smallest, 0.3, came=10.0, beyond=2.0)
    assert alarmed_from(cast) == pytest.approx(60.0, abs=0.1)
