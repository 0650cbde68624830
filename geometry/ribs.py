"""Ribs: rods from their joints with a vertebra round to the front.

For pictures only: veins are not settled against them, and the veins do not know of them.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from geometry.bones import Bones, Process, Solid
from geometry.curves import monotone
from geometry.levels import SIDES, Level, Side
from geometry.skeleton import Skeleton
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]

RODS = 10
"""Straight pieces of a rib."""
FLOATING = (Level.T11, Level.T12)
"""Their ribs end at the angle."""


@cache
def with_ribs(skeleton: Skeleton) -> Bones:
    """Add to every thoracic vertebra of a skeleton the ribs that it carries."""
    bones = skeleton.bones
    solids = {
        level: (*own, *_ribs(bones.vertebrae[level], own))
        if Level.T1 <= level <= Level.T12
        else own
        for level, own in bones.solids.items()
    }
    return Bones(bones.vertebrae, solids)


@cache
def _sizes() -> Mapping[str, float]:
    text = files("geometry").joinpath("data/ribs.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return MappingProxyType({row["quantity"]: float(row["value"]) for row in rows})


def _ribs(vertebra: Vertebra, solids: tuple[Solid, ...]) -> list[Solid]:
    """Both ribs of a vertebra, in its frame."""
    tips = [
        solid.end
        for solid in solids
        if isinstance(solid, Process) and solid.name == "transverse_process"
    ]
    radius = _sizes()["radius"]
    rods: list[Solid] = []
    for side in SIDES:
        tip = next(end for end in tips if end[0] * side > 0)
        points = _course(vertebra, tip, side)
        rods += [Process(start, end, radius, "rib") for start, end in pairwise(points)]
    return rods


def _course(vertebra: Vertebra, tip: FloatArray, side: Side) -> FloatArray:
    """Points of one rib's axis: head, tubercle, angle, flank and front, smoothly joined."""
    at = _sizes()
    tubercle_x = abs(tip[0]) + at["radius"] / 2.0
    tubercle_y, tubercle_z = tip[1] + at["tubercle_forward"], tip[2]
    head = (
        vertebra.body_width / 2.0 + at["radius"] / 2.0,
        vertebra.posterior_wall_y + at["head_forward"],
        vertebra.body_height / 2.0 - at["head_below_endplate"],
    )
    out = np.array([at["angle_lateral"], at["flank_lateral"]])
    angle_z, flank_z = tubercle_z - at["slope"] * (out - tubercle_x)
    front_z = flank_z - at["front_slope"] * (at["front_forward"] - at["flank_forward"])
    course = [
        head,
        (tubercle_x, tubercle_y, tubercle_z),
        (at["angle_lateral"], tubercle_y - at["angle_back"], angle_z),
        (at["flank_lateral"], tubercle_y + at["flank_forward"], flank_z),
        (at["front_lateral"], tubercle_y + at["front_forward"], front_z),
    ]
    if vertebra.level in FLOATING:
        del course[3:]
    corners = np.array(course)
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    points = monotone(run, corners, np.union1d(np.linspace(0.0, run[-1], RODS + 1), run[:2]))
    return np.asarray(points * np.array([side, 1.0, 1.0]))
