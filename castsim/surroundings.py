"""What lies about a cast in every picture: roots, dural sac, bones, catheter, vertebrae' names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from castsim.cord import TowardsCord
from castsim.drawn import LEAST_SATURATION, DrawnCast
from castsim.polylines import points_at, simplified, stretches
from castsim.scene import Label, Part, Reading, Scene
from castsim.surfaces import Surface, smooth, sphere, tube
from castsim.themes import Theme
from castsim.units import mL_from_uL
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above, vertebra_below
from geometry.network import FloatArray
from geometry.skeleton import Skeleton
from geometry.vertebra import Vertebra

FINE_SIDES = ((0.45, 5), (0.9, 6), (2.0, 9))
"""Sides of a tube up to a radius in mm; wider ones have `WIDE_SIDES`."""
WIDE_SIDES = 18
CAPPED_MM = 0.6
"""Radius from which the end of a tube is round."""
SAC_SIDES = 40
TOLERANCE_MM = 0.08
"""Straightening that a picture does not show."""
CATHETER_COARSENESS = 0.25
"""A catheter bends smoothly, and is seen so from near."""
TIP_SWELL = 1.15
"""The mark at the tip stands out of vein and cast."""
BALLOON_POINTS, BALLOON_FILL = 9, 0.95
"""Along a balloon; and its radius in the vein's, so that the two walls do not flicker."""
LEAST_VOLUME = 1e-9
"""mm3; where nothing came a scale has a length all the same."""

LATERAL_MM, FAR_LATERAL_MM = 48.0, 85.0
"""Half width of the window, and how far it widens for a cast that reaches farther."""
BEHIND_MM = 62.0
AHEAD_MM = 14.0
ABOUT = 0.85
"""Distances between two vertebrae that are shown above and below the target, whatever the cast."""
BEYOND = 0.2
"""The same beyond the ends of the cast."""
MOST_MM = 65.0
"""Above and below the target; what lies farther off is left out, so that the rest can be seen."""
LAMINA_MM, BEYOND_ROOT_MM = 6.0, 6.0
"""Behind the canal, and beyond the root's end in its foramen, that a view along the spine shows."""
CONTEXT_MM = 26.0
"""Half width about the midline that every view shows."""

Run = tuple[FloatArray, FloatArray]
"""Points (k, 3) mm and radius (k,) mm of one stretch of vein."""


@dataclass(frozen=True)
class Window:
    """Box about the target; the corners `low` and `high` are (3,) mm."""

    low: FloatArray
    high: FloatArray

    def touches(self, vertebra: Vertebra, margin: float = 0.0) -> bool:
        """Whether some of the vertebra's body lies at the height of the box."""
        z, half = vertebra.origin[2], vertebra.body_height / 2.0 + margin
        return bool(self.low[2] <= z + half and z - half <= self.high[2])

    def inside(self, xyz: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which points (k, 3) mm lie in the box."""
        return np.asarray(((xyz >= self.low) & (xyz <= self.high)).all(axis=1))

    def taller(self, margin: float) -> "Window":
        """The same box, higher by `margin` (mm) at either end."""
        rise = np.array([0.0, 0.0, margin])
        return Window(self.low - rise, self.high + rise)


def window_about(cast: DrawnCast) -> Window:
    """Box that holds the target's foramen and, as far as it is near, all of the cast."""
    root, side = cast.scenario.target.root, cast.scenario.target.side_code
    skeleton = cast.anatomy.skeleton
    above, below = skeleton.vertebra(vertebra_above(root)), skeleton.vertebra(vertebra_below(root))
    centre = skeleton.foramen(root, side).origin
    spacing = float(np.linalg.norm(above.origin - below.origin))
    held = cast_points(cast)
    low = min(held[:, 2].min(initial=np.inf) - BEYOND * spacing, centre[2] - ABOUT * spacing)
    high = max(held[:, 2].max(initial=-np.inf) + BEYOND * spacing, centre[2] + ABOUT * spacing)
    low, high = max(float(low), centre[2] - MOST_MM), min(float(high), centre[2] + MOST_MM)
    aside = np.abs(held[(held[:, 2] >= low) & (held[:, 2] <= high), 0]).max(initial=0.0)
    wide = float(np.clip(aside, LATERAL_MM, FAR_LATERAL_MM))
    middle, depth = above.origin[1], above.body_depth / 2.0
    return Window(
        np.array([-wide, middle - depth - BEHIND_MM, low]),
        np.array([wide, middle + depth + AHEAD_MM, high]),
    )


def cast_points(cast: DrawnCast) -> FloatArray:
    """Centres of the cells (or cubes) that agent fills at the end, (k, 3) mm."""
    return np.asarray(cast.cells.centre[cast.cells.saturation >= LEAST_SATURATION])


def scene_of(
    cast: DrawnCast,
    window: Window,
    drawn: Window,
    parts: tuple[Part, ...],
    *,
    title: str,
    facts: str,
) -> Scene:
    """Scene of these parts about the target of a cast: what it must show, and what it may."""
    root, side = cast.scenario.target.root, cast.scenario.target.side_code
    skeleton = cast.anatomy.skeleton
    sleeve = skeleton.root_sleeve(root, side)
    entry, end = sleeve.points[np.searchsorted(sleeve.arc, [0.0, sleeve.length])]
    return Scene(
        parts=tuple(part for part in parts if part.surface.n_triangles),
        labels=tuple(_name(skeleton.vertebra(level), side) for level in _shown(skeleton, drawn)),
        root=root_name(cast),
        target=(entry + end) / 2.0,
        root_axis=(end - entry) / np.linalg.norm(end - entry),
        root_length=float(np.linalg.norm(end - entry)),
        tip=cast.mesh.flow.cell_centroid[cast.mesh.tip_cell],
        side=side,
        title=title,
        facts=facts,
        frame=_frame(cast, window, entry, end),
        foramen=_foramen(cast, entry, end),
    )


def reading_at(cast: DrawnCast, volume: float) -> Reading:
    """Numbers beside a picture when `volume` (mm3) has left the tip."""
    cells, last = cast.cells, last_arrival(cast)
    cover, full = cells.coverage, cells.saturation_at(volume) >= 1.0
    held = full[cover.cell]
    return Reading(
        root=root_name(cast),
        volume_mL=mL_from_uL(volume),
        last_mL=mL_from_uL(last),
        covered_deg=cover.degrees(full),
        coverable_deg=cells.coverable,
        arcs=np.stack([cover.start[held], cover.stop[held]], axis=1),
        arrival=cells.first_volume[cover.cell[held]] / last,
    )


def marks_to_cord(towards: TowardsCord) -> tuple[Label, ...]:
    """Marks where agent goes towards the cord."""
    return tuple(Label("to the cord", place, alarming=True) for place in towards.entries)


def last_arrival(cast: DrawnCast) -> float:
    """When agent came to the last of what it holds at the end, mm3 out of the tip.

    Scales of arrival end there: what is injected later flows off without widening the cast.
    """
    held = cast.cells.first_volume[cast.cells.saturation >= LEAST_SATURATION]
    return max(float(held.max(initial=0.0)), LEAST_VOLUME)


def root_name(cast: DrawnCast) -> str:
    """Name of the target, as in the legend."""
    target = cast.scenario.target
    return f"root {target.root.name} {target.side_code.name.lower()}"


def solids(cast: DrawnCast, window: Window, theme: Theme) -> Iterator[Part]:
    """Yield what is opaque: roots, catheter, balloon, tip."""
    target, others = _roots(cast, window)
    yield Part(root_name(cast), theme.root, 1.0, target)
    yield Part("other roots", theme.other_roots, 1.0, others)
    yield from _catheter(cast, window, theme)


def shells(cast: DrawnCast, window: Window, theme: Theme) -> Iterator[Part]:
    """Yield what veils everything: dural sac and bones."""
    skeleton = cast.anatomy.skeleton
    bones = [smooth(*skeleton.bone_mesh(level)) for level in _shown(skeleton, window)]
    yield Part("dural sac", theme.sac, theme.sac_opacity, _sac(skeleton, window))
    yield Part("bone", theme.bone, theme.bone_opacity, Surface.joined(bones))


def clipped(runs: list[Run], window: Window) -> list[Run]:
    """Keep the stretches inside the window, each with a first point beyond it where it leaves."""
    inside = []
    for points, radius in runs:
        for first, last in stretches(window.inside(points)):
            own = slice(max(first - 1, 0), last + 1)
            inside.append((points[own], radius[own]))
    return inside


def tubes(runs: list[Run], coarseness: float = 1.0) -> Surface:
    """Round tubes along stretches of vein."""
    return Surface.joined([tube(*plan) for plan in plans(runs, coarseness)])


def plans(runs: list[Run], coarseness: float) -> list[tuple[FloatArray, FloatArray, int, int]]:
    """Points, radius, sides and rings of the ends of the tube for every run."""
    found = []
    for points, radius in runs:
        if len(points) > 1:
            keep = simplified(points, radius, coarseness * TOLERANCE_MM)
            widest = radius.max() / coarseness
            sides = next((sides for most, sides in FINE_SIDES if widest < most), WIDE_SIDES)
            rings = int(widest >= CAPPED_MM) + int(sides == WIDE_SIDES)
            found.append((points[keep], radius[keep], sides, rings))
    return found


def _shown(skeleton: Skeleton, window: Window) -> list[Level]:
    return [level for level in VERTEBRAE if window.touches(skeleton.vertebra(level))]


def _frame(cast: DrawnCast, window: Window, entry: FloatArray, end: FloatArray) -> FloatArray:
    """Points that a view has to show: the cast, the root, and bone about them."""
    held = cast_points(cast)
    above = cast.anatomy.skeleton.vertebra(vertebra_above(cast.scenario.target.root))
    depth = above.body_depth / 2.0
    corner = [
        [x, above.origin[1] + y, z]
        for x in (-CONTEXT_MM, CONTEXT_MM)
        for y in (-depth - CONTEXT_MM, depth + AHEAD_MM)
        for z in (window.low[2], window.high[2])
    ]
    return np.vstack([held[window.inside(held)], entry, end, corner])


def _foramen(cast: DrawnCast, entry: FloatArray, end: FloatArray) -> FloatArray:
    """What a view along the spine has to show: canal, half of the body, root and a little more."""
    body = cast.anatomy.skeleton.vertebra(vertebra_above(cast.scenario.target.root))
    back = body.canal_centre_y - body.canal_depth / 2.0 - LAMINA_MM
    half = body.canal_width / 2.0
    corners = [body.world([x, y, 0.0]) for x in (-half, half) for y in (0.0, back)]
    beyond = end + BEYOND_ROOT_MM * (end - entry) / np.linalg.norm(end - entry)
    return np.vstack([corners, entry, beyond])


def _name(vertebra: Vertebra, side: Side) -> Label:
    """Name of a vertebra, on the front of its body away from the target and the azygos."""
    place = [-0.32 * side * vertebra.body_width, 0.45 * vertebra.body_depth, 0.0]
    return Label(vertebra.level.name, vertebra.world(place))


def _sac(skeleton: Skeleton, window: Window) -> Surface:
    points, triangles = skeleton.sac.mesh(SAC_SIDES)
    height = points[:, 2].reshape(-1, SAC_SIDES).mean(axis=1)[triangles.min(axis=1) // SAC_SIDES]
    return smooth(points, triangles[(height >= window.low[2]) & (height <= window.high[2])])


def _roots(cast: DrawnCast, window: Window) -> tuple[Surface, Surface]:
    """Sleeve of the target root, and the other sleeves in the window."""
    wanted = (cast.scenario.target.root, cast.scenario.target.side_code)
    target: list[Run] = []
    others: list[Run] = []
    for level in ROOTS:
        for side in SIDES:
            sleeve = cast.anatomy.skeleton.root_sleeve(level, side)
            if window.inside(sleeve.points).any():
                radius = np.broadcast_to(np.asarray(sleeve.radius, dtype=float), len(sleeve.points))
                (target if (level, side) == wanted else others).append((sleeve.points, radius))
    return tubes(target), tubes(others)


def _balloon(cast: DrawnCast) -> list[Run]:
    """Inflated balloon, which fills its vein; none where there is none."""
    balloon = cast.scenario.catheter.balloon
    if balloon is None:
        return []
    arc = balloon.distance_mm + np.linspace(0.0, balloon.length_mm or 0.0, BALLOON_POINTS)
    points = points_at(cast.catheter, arc)
    flow, route = cast.mesh.flow, cast.mesh.route_cells
    away = np.linalg.norm(points[:, None] - flow.cell_centroid[route], axis=2)
    beside = route[away.argmin(axis=1)]
    lumen = np.sqrt(flow.cell_radius * flow.cell_radius_minor)[beside]
    return [(points, BALLOON_FILL * np.minimum(lumen, (balloon.diameter_mm or 0.0) / 2.0))]


def _catheter(cast: DrawnCast, window: Window, theme: Theme) -> Iterator[Part]:
    """Yield the catheter as far as it lies in the window, and a mark at its tip."""
    points, radius = cast.catheter, cast.scenario.catheter_model().outer_diameter / 2.0
    vein = max(cast.mesh.flow.cell_radius[cast.mesh.tip_cell], radius)
    # beyond the first stretch it comes back only in great veins, which are not drawn
    near = clipped([(points, np.full(len(points), radius))], window)[:1]
    yield Part("catheter", theme.catheter, 1.0, tubes(near, CATHETER_COARSENESS))
    if balloon := clipped(_balloon(cast), window):
        yield Part("balloon", theme.catheter, 1.0, tubes(balloon))
    yield Part("tip", theme.tip, 1.0, sphere(points[0], TIP_SWELL * vein, WIDE_SIDES))
