"""Ribs: twelve pairs, at their joints, above the intercostal veins, clear of the spinal canal."""

from itertools import pairwise

import numpy as np
import pytest

from geometry.anatomy import Anatomy
from geometry.bones import Bones, Process
from geometry.kernels.chords import MOST_PARTS
from geometry.levels import Level, Side
from geometry.ribs import with_ribs
from geometry.skeleton import Skeleton
from geometry.structures import Structure

THORACIC = [level for level in Level if Level.T1 <= level <= Level.T12]


@pytest.fixture(scope="module")
def bones() -> Bones:
    return with_ribs(Skeleton.typical())


def rods(bones: Bones, level: Level, side: Side) -> list[Process]:
    return [
        solid
        for solid in bones.solids[level]
        if isinstance(solid, Process) and solid.name == "rib" and solid.end[0] * side > 0
    ]


def test_twelve_pairs_and_nothing_else(bones: Bones) -> None:
    plain = Skeleton.typical().bones
    for level in bones.solids:
        more = len(bones.solids[level]) - len(plain.solids[level])
        assert bones.solids[level][: len(plain.solids[level])] == plain.solids[level]
        if level in THORACIC:
            right, left = (rods(bones, level, side) for side in (Side.RIGHT, Side.LEFT))
            assert len(right) == len(left) == more / 2 > 5
        else:
            assert more == 0
    # two parts for every body and its hollow lamina, one for every other solid
    assert max(len(own) for own in bones.solids.values()) + 2 <= MOST_PARTS


@pytest.mark.parametrize("level", THORACIC)
def test_they_are_joined_to_the_vertebra_and_mirror_each_other(bones: Bones, level: Level) -> None:
    right, left = (rods(bones, level, side) for side in (Side.RIGHT, Side.LEFT))
    for one, other in zip(right, left, strict=True):
        np.testing.assert_allclose(one.start * [-1, 1, 1], other.start)
        np.testing.assert_allclose(one.end * [-1, 1, 1], other.end)
    for before, after in pairwise(right):
        np.testing.assert_array_equal(before.end, after.start)
    vertebra = bones.vertebrae[level]
    head = right[0].start
    assert abs(head[0] - vertebra.body_width / 2) < right[0].radius
    assert vertebra.posterior_wall_y < head[1] < 0
    # the tubercle touches the tip of the transverse process
    tip = next(
        solid.end
        for solid in bones.solids[level]
        if isinstance(solid, Process) and solid.name == "transverse_process" and solid.end[0] > 0
    )
    away = min(np.linalg.norm(rod.end - tip) for rod in right)
    assert away < right[0].radius + 3.0


@pytest.mark.parametrize("level", THORACIC)
def test_they_keep_out_of_the_canal(bones: Bones, level: Level) -> None:
    for rod in rods(bones, level, Side.RIGHT):
        along = rod.start + np.linspace(0, 1, 20)[:, None] * (rod.end - rod.start)
        depth = Skeleton.typical().canal.distance(bones.vertebrae[level].world(along))
        assert depth.min() > rod.radius


def test_the_intercostal_vein_runs_under_its_rib() -> None:
    anatomy = Anatomy.typical()
    bones = with_ribs(anatomy.skeleton)
    for level in (Level.T5, Level.T7, Level.T9):
        vertebra, network = anatomy.skeleton.vertebra(level), anatomy.network
        branches = network.branches(Structure.POSTERIOR_INTERCOSTAL, level, Side.RIGHT)
        vein = vertebra.local(np.vstack([network.points(int(branch)) for branch in branches]))
        axis = np.array([rod.end for rod in rods(bones, level, Side.RIGHT)])
        axis = axis[axis[:, 1] < 0]  # behind; in front the rib comes back
        for x in (40.0, 50.0, 60.0):
            rib_z = np.interp(x, axis[:, 0], axis[:, 2])
            vein_z = np.interp(x, vein[:, 0], vein[:, 2])
            assert 3.0 < rib_z - vein_z < 12.0
