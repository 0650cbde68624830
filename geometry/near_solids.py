"""NearSolids: the solids near each of many points, looked at shape by shape.

A row is a point and a solid near it. Rows are sorted by shape and solid, so that all bodies,
all laminae and all pedicles are one call each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.bones import Process, Solid
from geometry.vertebra import Frame

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DIFFERENCE_MM = 0.02
"""Step of the one-sided differences that gradients are taken by."""


@dataclass(frozen=True)
class PlacedSolid:
    """A solid in its frame, with the box about it.

    Attributes
    ----------
    lower, upper : (3,) mm, corners of the box in the frame
    low, high : mm, least and greatest world z of the box
    """

    frame: Frame
    solid: Solid
    lower: FloatArray
    upper: FloatArray
    low: float
    high: float

    @classmethod
    def of(cls, frame: Frame, solid: Solid) -> "PlacedSolid":
        """Put the box about the solid's surface."""
        vertices, _ = solid.mesh()
        lower, upper = vertices.min(axis=0), vertices.max(axis=0)
        corners = np.where(np.indices((2, 2, 2)).reshape(3, -1).T, upper, lower)
        height = frame.world(corners)[:, 2]
        return cls(frame, solid, lower, upper, float(height.min()), float(height.max()))


@dataclass(frozen=True)
class PlacedSolids:
    """All solids, sorted by shape.

    Attributes
    ----------
    rank : (s,) place of each solid in the order in which they were given: where two are equally
        near, as both pedicles are to a point in the median plane, the first given counts
    """

    placed: tuple[PlacedSolid, ...]
    rank: IntArray

    @classmethod
    def of(cls, placed: Iterable[PlacedSolid]) -> "PlacedSolids":
        """Sort the solids by shape."""
        given = list(placed)
        order = sorted(range(len(given)), key=lambda i: type(given[i].solid).__name__)
        return cls(tuple(given[i] for i in order), np.array(order))

    def by_frame(self) -> list[list[int]]:
        """Numbers of the solids in each frame."""
        members: dict[int, list[int]] = {}
        for number, one in enumerate(self.placed):
            members.setdefault(id(one.frame), []).append(number)
        return list(members.values())

    def runs(self, solid: IntArray) -> tuple[list[PlacedSolid], IntArray]:
        """Solids that occur in `solid` (k,), which is sorted, and how often each does."""
        count = np.bincount(solid, minlength=len(self.placed))
        present = np.flatnonzero(count)
        return [self.placed[i] for i in present], count[present]


class NearSolids:
    """The solids nearer than `reach` mm to each of a set of points."""

    def __init__(self, solids: PlacedSolids, xyz: FloatArray, reach: float) -> None:
        self._solids, self._reach = solids, reach
        order = np.argsort(xyz[:, 2])
        z = xyz[order, 2]
        point: dict[int, IntArray] = {}
        for numbers in solids.by_frame():
            here = [solids.placed[i] for i in numbers]
            first, last = z.searchsorted(
                [[p.low - reach for p in here], [p.high + reach for p in here]]
            )
            start = first.min()
            slab = order[start : last.max()]
            local = np.ascontiguousarray(here[0].frame.local(xyz[slab]).T)
            for i, one, low, high in zip(numbers, here, first - start, last - start, strict=True):
                near = np.ones(high - low, dtype=bool)
                for axis in range(3):
                    along = local[axis, low:high]
                    near &= along > one.lower[axis] - reach
                    near &= along < one.upper[axis] + reach
                point[i] = slab[low:high][near]
        self._point = np.concatenate([point[i] for i in range(len(solids.placed))])
        self._solid = np.repeat(
            np.arange(len(solids.placed)), [len(point[i]) for i in range(len(solids.placed))]
        )

    def distance(self, xyz: FloatArray) -> FloatArray:
        """Distance (k,) to the nearest solid, at most the reach."""
        return self._nearest(xyz)[0]

    def look(self, xyz: FloatArray, within: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distance (k,) to the nearest solid and, where it is less than `within`, its gradient.

        Gradients (k, 3) are 0 elsewhere.
        """
        nearest, local, distance = self._nearest(xyz)
        rows = np.flatnonzero((distance == nearest[self._point]) & (distance < within[self._point]))
        rows = rows[np.lexsort((self._solids.rank[self._solid[rows]], self._point[rows]))]
        rows = np.sort(rows[np.diff(self._point[rows], prepend=-1) > 0])
        solids, count = self._solids.runs(self._solid[rows])
        slope = np.stack(
            [
                (_distance(solids, count, local[rows] + step) - distance[rows]) / DIFFERENCE_MM
                for step in np.eye(3) * DIFFERENCE_MM
            ],
            axis=1,
        )
        gradient = np.zeros((len(xyz), 3))
        last = np.cumsum(count)
        for one, start, stop in zip(solids, last - count, last, strict=True):
            gradient[self._point[rows[start:stop]]] = slope[start:stop] @ one.frame.axes
        return nearest, gradient

    def _nearest(self, xyz: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Distance of each point; place in the solid's frame and distance of each row."""
        solids, count = self._solids.runs(self._solid)
        local, last = xyz[self._point], np.cumsum(count)
        for one, start, stop in zip(solids, last - count, last, strict=True):
            local[start:stop] = one.frame.local(local[start:stop])
        distance = _distance(solids, count, local)
        nearest = np.full(len(xyz), self._reach)
        np.minimum.at(nearest, self._point, distance)
        return nearest, local, distance


def _distance(solids: Sequence[PlacedSolid], count: IntArray, local: FloatArray) -> FloatArray:
    """Distance of each row: the first `count[0]` are of the first solid, and so on."""
    distance = np.empty(len(local))
    last = np.cumsum(count)
    for shape, members in groupby(range(len(solids)), lambda i: type(solids[i].solid)):
        group = list(members)
        if shape is Process:  # given by points, not by numbers
            blocks = [(i, i, solids[i].solid) for i in group]
        else:
            one = _joined([solids[i].solid for i in group], count[group])
            blocks = [(group[0], group[-1], one)]
        for i, j, solid in blocks:
            rows = slice(last[i] - count[i], last[j])
            distance[rows] = solid.distance(local[rows])
    return distance


def _joined(solids: Sequence[Solid], count: IntArray) -> Solid:
    """Solids of one shape as one whose sizes are arrays, each repeated for its rows."""
    first: Any = solids[0]
    sizes = {field.name for field in fields(first)} - {"name"}
    return replace(  # type: ignore[no-any-return]
        first, **{n: np.repeat([getattr(s, n) for s in solids], count) for n in sizes}
    )
