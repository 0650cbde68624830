"""Courses of the great trunks: control points from ``data/trunk_courses.csv``.

A control point lies at (x_half_widths W/2 + x_mm, y_half_depths D/2 + y_mm, z_heights H + z_mm)
from the centre of a vertebral body, along that body's axes (frame ``local``: what hugs the
spine) or along the world's (frame ``world``: what lies far in front of it). Paired trunks are
given for the right side and mirrored.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.skeleton import Skeleton

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ControlPoint:
    """One row of the table."""

    level: Level
    in_world: bool
    x_half_widths: float
    x_mm: float
    y_half_depths: float
    y_mm: float
    z_heights: float
    z_mm: float

    def place(
        self, skeleton: Skeleton, side: Side, *, level: Level | None = None, z_heights: float = 0.0
    ) -> FloatArray:
        """World position (3,), at another `level` or `z_heights` higher if given.

        `side` RIGHT and MIDLINE keep x as it is in the table, LEFT mirrors it. Level C8, a
        root, means halfway between C7 and T1.
        """
        level = self.level if level is None else level
        if level is Level.C8:
            above = self.place(skeleton, side, level=Level.C7, z_heights=z_heights)
            below = self.place(skeleton, side, level=Level.T1, z_heights=z_heights)
            return np.asarray((above + below) / 2)
        vertebra = skeleton.vertebra(level)
        offset = np.array(
            [
                self.x_half_widths * vertebra.body_width / 2 + self.x_mm,
                self.y_half_depths * vertebra.body_depth / 2 + self.y_mm,
                (self.z_heights + z_heights) * vertebra.body_height + self.z_mm,
            ]
        )
        if side is Side.LEFT:
            offset[0] *= -1
        return vertebra.origin + offset if self.in_world else vertebra.world(offset)


@cache
def _load_courses() -> dict[str, tuple[ControlPoint, ...]]:
    text = files("geometry").joinpath("data/trunk_courses.csv").read_text("utf-8")
    courses: dict[str, list[ControlPoint]] = {}
    for row in csv.DictReader(text.splitlines()):
        courses.setdefault(row["trunk"], []).append(
            ControlPoint(
                level=Level[row["level"]],
                in_world=row["frame"] == "world",
                x_half_widths=float(row["x_half_widths"]),
                x_mm=float(row["x_mm"]),
                y_half_depths=float(row["y_half_depths"]),
                y_mm=float(row["y_mm"]),
                z_heights=float(row["z_heights"]),
                z_mm=float(row["z_mm"]),
            )
        )
    return {name: tuple(points) for name, points in courses.items()}


def course(trunk: str) -> tuple[ControlPoint, ...]:
    """Control points of a trunk, in the order of the table."""
    courses = _load_courses()
    if trunk not in courses:
        raise GeometryError(f"trunk_courses.csv: no trunk {trunk!r}; there are {sorted(courses)}")
    return courses[trunk]


def control_point(trunk: str, level: Level) -> ControlPoint:
    """The control point of a trunk at a level."""
    for point in course(trunk):
        if point.level is level:
            return point
    raise GeometryError(f"trunk_courses.csv: {trunk} has no point at {level.name}")
