"""Local veins keep out of bone, sac, sleeves and skin, in range, and round every root."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from geometry.anatomy import Anatomy
from geometry.calibres import load_calibres
from geometry.clearance import clearance
from geometry.coverage import STATIONS, root_coverage
from geometry.finishing import MOST_FLATTENING
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side
from geometry.network import VesselNetwork
from geometry.structures import Compartment, Structure

TRUNKS = (Compartment.AZYGOS, Compartment.NECK, Compartment.GREAT)
BURIED = (Structure.BASIVERTEBRAL, Structure.INTRAOSSEOUS)
PRESSED_MM = 0.25
"""How far a wall may reach into what it is pressed against, at single points."""
PRESSED_SHARE = 0.005
"""Share of the length that may be pressed at all (by more than 0.1 mm)."""


@dataclass(frozen=True)
class Samples:
    """Points every `step` along branches, (k,) each: position, semi-axes, branch."""

    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]
    radius_minor: NDArray[np.float64]
    branch: NDArray[np.int64]


def local_branches(network: VesselNetwork) -> NDArray[np.int64]:
    """Branches of the local plexuses."""
    structure = [code for code in Structure if code.compartment not in TRUNKS]
    return np.flatnonzero(np.isin(network.branch_structure, structure))


def sample(network: VesselNetwork, branches: NDArray[np.int64], step: float = 0.25) -> Samples:
    """Points at most `step` mm apart, ends included."""
    rows = []
    for branch in branches:
        first, last = network.point_offset[branch], network.point_offset[branch + 1]
        points = network.points(branch)
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        at = np.linspace(0, arc[-1], int(np.ceil(arc[-1] / step)) + 1)
        columns = [*points.T, network.point_radius[first:last]]
        columns.append(network.point_radius_minor[first:last])
        rows.append([np.interp(at, arc, column) for column in columns])
    table = np.concatenate(rows, axis=1)
    branch = np.repeat(branches, [len(row[0]) for row in rows])
    return Samples(table[:3].T, table[3], table[4], branch)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.typical()


@pytest.fixture(scope="module")
def free(anatomy: Anatomy) -> Samples:
    """Samples of all local veins outside bone."""
    branches = local_branches(anatomy.network)
    structure = anatomy.network.branch_structure[branches]
    return sample(anatomy.network, branches[~np.isin(structure, BURIED)])


@pytest.mark.parametrize("solid", ["bone", "sac"])
def test_veins_keep_out(anatomy: Anatomy, free: Samples, solid: str) -> None:
    skeleton = anatomy.skeleton
    measure = {"bone": skeleton.bone_distance, "sac": skeleton.sac_distance}[solid]
    distance = measure(free.xyz)
    assert distance.min() > 0
    pressed = free.radius_minor - distance
    assert pressed.max() < PRESSED_MM
    assert (pressed > 0.1).mean() < PRESSED_SHARE


def test_veins_keep_out_of_discs_and_sleeves(anatomy: Anatomy, free: Samples) -> None:
    """The annulus gives a little where a thick root leaves no room (L5)."""
    distance = clearance(anatomy.skeleton, free.xyz)
    assert distance.min() > -PRESSED_MM
    assert (distance < 0).mean() < PRESSED_SHARE / 10


def test_veins_stay_within_the_skin(anatomy: Anatomy) -> None:
    points = sample(anatomy.network, local_branches(anatomy.network)).xyz
    assert anatomy.skeleton.skin_distance(points).max() < 0


def test_intraosseous_veins_are_in_bone(anatomy: Anatomy) -> None:
    network = anatomy.network
    points = sample(network, network.branches(Structure.INTRAOSSEOUS)).xyz
    assert anatomy.skeleton.inside_bone(points).mean() > 0.9


def test_calibres_lie_in_their_bands(anatomy: Anatomy) -> None:
    """At the network's own points: a section that changes its shape bulges between two of them."""
    network, branches = anatomy.network, local_branches(anatomy.network)
    branches = branches[~np.isin(network.branch_structure[branches], BURIED)]
    branch = np.repeat(np.arange(network.n_branches), np.diff(network.point_offset))
    own = np.isin(branch, branches)
    radius, minor, branch = network.point_radius[own], network.point_radius_minor[own], branch[own]
    slit = radius > 0.99 * MOST_FLATTENING * minor  # squeezed, loses area
    assert slit.mean() < PRESSED_SHARE
    diameter = 2 * np.sqrt(radius * minor)[~slit]
    structure = network.branch_structure[branch[~slit]]
    level = network.branch_level[branch[~slit]]
    checked = 0
    for code in np.unique(structure):
        for at in Level:
            here = (structure == code) & (level == at)
            rows = [
                r
                for r in load_calibres()
                if r.structure == code and r.first_level <= at <= r.last_level
            ]
            if here.any():
                checked += 1
                assert diameter[here].min() >= min(r.minimum for r in rows) - 1e-9, (code, at)
                assert diameter[here].max() <= max(r.maximum for r in rows) + 1e-9, (code, at)
    assert checked > 200


def test_epidural_veins_at_t5_fit_the_gap(anatomy: Anatomy) -> None:
    network, skeleton = anatomy.network, anatomy.skeleton
    ring = sample(network, network.branches(Structure.VENOUS_RING, Level.T5))
    gap = skeleton.sac_distance(ring.xyz) + skeleton.bone_distance(ring.xyz)
    assert (2 * ring.radius_minor <= gap + 0.1).all()


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_every_root_can_be_covered(anatomy: Anatomy, root: Level) -> None:
    network = anatomy.network
    for side in SIDES:
        points = sample(network, network.branches(Structure.FORAMINAL, root, side))
        arcs = root_coverage(
            anatomy.skeleton.root_sleeve(root, side),
            np.arange(len(points.xyz)),
            points.xyz,
            points.radius,
            points.radius_minor,
        )
        full = np.ones(len(points.xyz), dtype=bool)
        assert arcs.degrees(full) >= 330, (root, side)
        for station in range(STATIONS):
            assert arcs.degrees(full, station) >= 290, (root, side, station)


def test_columns_draw_hexagons(anatomy: Anatomy) -> None:
    """Columns lie farther out at the disc than at mid-body; nothing crosses at the disc."""
    network, skeleton = anatomy.network, anatomy.skeleton
    internal = (
        Structure.ANTERIOR_EPIDURAL,
        Structure.POSTERIOR_EPIDURAL,
        Structure.VENOUS_RING,
        Structure.RETROCORPOREAL,
    )
    inner = sample(network, np.flatnonzero(np.isin(network.branch_structure, internal)))
    is_column = network.branch_structure[inner.branch] == Structure.ANTERIOR_EPIDURAL
    is_ring = network.branch_structure[inner.branch] == Structure.VENOUS_RING
    for level in VERTEBRAE[1:-1]:
        vertebra = skeleton.vertebra(level)
        local = vertebra.local(inner.xyz)
        at_disc = -(vertebra.body_height + vertebra.disc_height_below) / 2
        disc = np.abs(local[:, 2] - at_disc) < 1.0
        body = np.abs(local[:, 2]) < 1.0
        assert (body & is_ring).any(), level
        for side in SIDES:
            right = np.sign(inner.xyz[:, 0]) == side
            out_at_disc = np.abs(local[disc & is_column & right, 0])
            out_at_body = np.abs(local[body & is_column & right, 0])
            assert out_at_disc.mean() > out_at_body.mean() + 1.5, (level, side)
        assert np.abs(local[disc & ~is_ring, 0]).min() > 2.5, level


@pytest.mark.parametrize("seed", [1, 2])
def test_other_seeds_keep_out_of_bone(seed: int) -> None:
    anatomy = Anatomy.draw(np.random.default_rng(seed))
    network = anatomy.network
    branches = local_branches(network)
    structure = network.branch_structure[branches]
    points = sample(network, branches[~np.isin(structure, BURIED)], 0.5).xyz
    assert anatomy.skeleton.bone_distance(points).min() > 0
    assert anatomy.skeleton.sac_distance(points).min() > 0


def test_side_is_the_sign_of_x(anatomy: Anatomy) -> None:
    network = anatomy.network
    for side in SIDES:
        points = sample(network, network.branches(Structure.FORAMINAL, side=side)).xyz
        assert (np.sign(points[:, 0]) == side).all()
    midline = network.branches(Structure.RETROCORPOREAL)
    assert (network.branch_side[midline] == Side.MIDLINE).all()
