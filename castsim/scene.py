"""What a picture of a cast shows: one list of parts for the PNG and for the web page.

Parts come in an order: a later part veils the earlier ones and hides nothing of them.
Both renderers draw by this rule, with only the nearest wall of each veil, so that a
plexus of many strands stays light.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from castsim.polylines import points_at, simplified, stretches
from castsim.surfaces import Surface, smooth, sphere, tube
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above, vertebra_below
from geometry.network import FloatArray
from geometry.skeleton import Skeleton
from geometry.structures import Compartment, Structure
from geometry.vertebra import Vertebra

if TYPE_CHECKING:
    from castsim.cast import Cast

DISCLAIMER = "Research and education, not a medical device"

MOST_TRIANGLES = 50_000
"""What a browser without a graphics card still turns smoothly."""
DETAILS = (0.5, 1.0, 1.5, 2.5, 4.0, 7.0)
"""Coarseness of veins and cast; the first is taken that keeps the scene light enough."""
FINE_SIDES = ((0.45, 5), (0.9, 6), (2.0, 9))
"""Sides of a tube up to a radius in mm; wider ones have `WIDE_SIDES`."""
WIDE_SIDES = 18
CAPPED_MM = 0.6
"""Radius from which the end of a tube is round."""
SAC_SIDES = 40
TOLERANCE_MM = 0.08
"""Straightening that a picture does not show."""

CAST_SWELL = 1.06
"""The cast is drawn wider than its vein, so that the two walls do not flicker."""

CAST_LEAST_SATURATION = 0.5
TIP_SWELL = 1.3
"""The mark at the tip stands out of vein and cast."""

LATERAL_MM = 48.0
BEHIND_MM = 62.0
AHEAD_MM = 16.0
LEAST_SPACINGS, MOST_SPACINGS = 1.35, 1.9
"""Half height of the window, in distances between two vertebrae."""

OBLIQUE_TURN_DEG, OBLIQUE_RISE_DEG = 62.0, 14.0
"""The oblique view: turned from the front to the target's side, and raised."""
LEAST_FACING = 0.3
"""Slant of a veil, as the cosine to the eye, beyond which it gets no denser."""
LETTER_THRESHOLD = 0.35
"""Least share of a body axis in a picture's edge for its letter to be written there."""

_HIDDEN = (Compartment.GREAT, Compartment.HAZARD)
"""Veins wider than a vertebra would fill the picture; the hazard is a name, not a sight."""


@dataclass(frozen=True)
class Part:
    """One thing in the picture.

    Attributes
    ----------
    name : in the legend
    colour : ``#rrggbb``
    opacity : of its nearest wall seen face on, over everything earlier in the list; a slanted
        wall is denser, 1 - (1 - opacity)^(1 / cosine): Beer's law for a thin sheet
    surface : triangles
    """

    name: str
    colour: str
    opacity: float
    surface: Surface


@dataclass(frozen=True)
class Label:
    """A short text at a place, `xyz` (3,) mm."""

    text: str
    xyz: FloatArray


@dataclass(frozen=True)
class Scene:
    """Parts, words and the window of one picture.

    Attributes
    ----------
    parts : from what shows through everything to what veils everything
    labels : names of the vertebrae
    focus : (3,) mm, centre of the window
    target : (3,) mm, middle of the target root in its foramen
    root_axis : (3,) unit vector along that root, outwards
    root_length : mm of it in the foramen
    half_height : mm, of the window
    side : of the target root, from which an oblique view looks
    title, facts : heading, and one line of measured results
    """

    parts: tuple[Part, ...]
    labels: tuple[Label, ...]
    focus: FloatArray
    target: FloatArray
    root_axis: FloatArray
    root_length: float
    half_height: float
    side: Side
    title: str
    facts: str

    @property
    def n_triangles(self) -> int:
        """Number of triangles of all parts."""
        return sum(part.surface.n_triangles for part in self.parts)


@dataclass(frozen=True)
class _Window:
    """Box about the target; the corners `low` and `high` are (3,) mm."""

    low: FloatArray
    high: FloatArray

    @property
    def centre(self) -> FloatArray:
        return (self.low + self.high) / 2.0

    def touches(self, vertebra: Vertebra) -> bool:
        """Whether some of the vertebra's body lies at the height of the box."""
        z, half = vertebra.origin[2], vertebra.body_height / 2.0
        return bool(self.low[2] <= z + half and z - half <= self.high[2])

    def inside(self, xyz: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray(((xyz >= self.low) & (xyz <= self.high)).all(axis=1))


def build_scene(
    cast: "Cast", summary: Mapping[str, Any], *, most_triangles: int = MOST_TRIANGLES
) -> Scene:
    """Collect everything about the target root that a picture of this cast shows.

    Parameters
    ----------
    cast : a run
    summary : its metrics, as in ``cast.json``
    most_triangles : to which the veins are coarsened if they must
    """
    root, side = cast.scenario.target.root, cast.scenario.target.side_code
    skeleton = cast.anatomy.skeleton
    cast_runs = _cast_runs(cast)
    window = _window(skeleton, root, side, cast_runs)
    shown = [v for v in VERTEBRAE if window.touches(skeleton.vertebra(v))]
    target, others = _roots(skeleton, root, side, window)
    solid = (
        Part(f"root {root.name} {side.name.lower()}", "#f2b705", 1.0, target),
        Part("other roots", "#efe6c8", 1.0, others),
        *_catheter(cast, window),
        Part("cast", "#17181c", 0.88, _finest(_clipped(cast_runs, window), most_triangles // 4)),
    )
    shell = (
        Part("dural sac", "#c98fb4", 0.20, _sac(skeleton, window)),
        Part("bone", "#cdb88f", 0.20, _bones(skeleton, shown)),
    )
    left = most_triangles - sum(part.surface.n_triangles for part in (*solid, *shell))
    veins = Part("veins", "#3f7fd0", 0.34, _finest(_clipped(_vein_runs(cast), window), left))
    parts = (*solid, veins, *shell)
    sleeve = skeleton.root_sleeve(root, side)
    entry, end = sleeve.points[np.searchsorted(sleeve.arc, [0.0, sleeve.length])]
    return Scene(
        parts=tuple(part for part in parts if part.surface.n_triangles),
        labels=tuple(_name(skeleton.vertebra(level), side) for level in shown),
        focus=window.centre,
        target=(entry + end) / 2.0,
        root_axis=(end - entry) / np.linalg.norm(end - entry),
        root_length=float(np.linalg.norm(end - entry)),
        half_height=float(window.high[2] - window.low[2]) / 2.0,
        side=side,
        title=cast.scenario.title,
        facts=facts(summary),
    )


def facts(summary: Mapping[str, Any]) -> str:
    """One line: volume, coverage, reflux and why the run ended.

    Examples
    --------
    >>> facts(
    ...     {
    ...         "injected_mL": 0.6,
    ...         "coverage": {"deg": 290.0, "coverable_deg": 350.0},
    ...         "reflux": {"azygos_mL": 0.0},
    ...         "stop_reason": "protocol complete",
    ...     }
    ... )
    '0.60 mL injected · root wrapped 290° of 350° · azygos 0.00 mL · protocol complete'
    """
    coverage = summary["coverage"]
    return " · ".join(
        (
            f"{summary['injected_mL']:.2f} mL injected",
            f"root wrapped {coverage['deg']:.0f}° of {coverage['coverable_deg']:.0f}°",
            f"azygos {summary['reflux']['azygos_mL']:.2f} mL",
            str(summary["stop_reason"]).replace("_", " "),
        )
    )


Run = tuple[FloatArray, FloatArray]
"""Points (k, 3) mm and radius (k,) mm of one stretch of vein."""


def _window(skeleton: Skeleton, root: Level, side: Side, cast_runs: list[Run]) -> _Window:
    """Box that holds the target's foramen and, as far as it is near, all of the cast."""
    above = skeleton.vertebra(vertebra_above(root))
    centre = skeleton.foramen(root, side).origin
    spacing = float(np.linalg.norm(above.origin - skeleton.vertebra(vertebra_below(root)).origin))
    reach = max((np.abs(points[:, 2] - centre[2]).max() for points, _ in cast_runs), default=0.0)
    half = float(np.clip(reach + spacing / 3.0, LEAST_SPACINGS * spacing, MOST_SPACINGS * spacing))
    depth = above.body_depth / 2.0
    middle = np.array([0.0, above.origin[1], centre[2]])
    return _Window(
        middle - np.array([LATERAL_MM, depth + BEHIND_MM, half]),
        middle + np.array([LATERAL_MM, depth + AHEAD_MM, half]),
    )


def _vein_runs(cast: "Cast") -> list[Run]:
    network = cast.anatomy.network
    radius = np.sqrt(network.point_radius * network.point_radius_minor)
    runs = []
    for branch in range(network.n_branches):
        if Structure(int(network.branch_structure[branch])).compartment in _HIDDEN:
            continue
        own = slice(network.point_offset[branch], network.point_offset[branch + 1])
        runs.append((network.point_xyz[own], radius[own]))
    return runs


def _cast_runs(cast: "Cast") -> list[Run]:
    """Stretches of every branch whose cells hold agent, from face to face."""
    mesh, network = cast.mesh, cast.anatomy.network
    radius = CAST_SWELL * np.sqrt(mesh.flow.cell_radius * mesh.flow.cell_radius_minor)
    filled = cast.saturation >= CAST_LEAST_SATURATION
    runs: list[Run] = []
    for branch in range(network.n_branches):
        own = slice(mesh.polyline_offset[branch], mesh.polyline_offset[branch + 1])
        cells, arc = mesh.polyline_cell[own], mesh.polyline_arc[own]
        face = np.concatenate([arc[:1], (arc[:-1] + arc[1:]) / 2.0, arc[-1:]])
        for first, last in stretches(filled[cells]):
            at = np.unique([face[first], *arc[first:last], face[last]])
            points = points_at(network.points(branch), at)
            runs.append((points, np.interp(at, arc, radius[cells])))
    return runs


def _clipped(runs: list[Run], window: _Window) -> list[Run]:
    """Keep the stretches inside the window, each with a first point beyond it where it leaves."""
    inside = []
    for points, radius in runs:
        for first, last in stretches(window.inside(points)):
            own = slice(max(first - 1, 0), last + 1)
            inside.append((points[own], radius[own]))
    return inside


def _tubes(runs: list[Run], coarseness: float = 1.0) -> Surface:
    return Surface.joined([tube(*plan) for plan in _plans(runs, coarseness)])


def _plans(runs: list[Run], coarseness: float) -> list[tuple[FloatArray, FloatArray, int, int]]:
    """Points, radius, sides and rings of the ends of the tube for every run."""
    plans = []
    for points, radius in runs:
        if len(points) > 1:
            keep = simplified(points, radius, coarseness * TOLERANCE_MM)
            widest = radius.max() / coarseness
            sides = next((sides for most, sides in FINE_SIDES if widest < most), WIDE_SIDES)
            rings = int(widest >= CAPPED_MM) + int(sides == WIDE_SIDES)
            plans.append((points[keep], radius[keep], sides, rings))
    return plans


def _finest(runs: list[Run], most_triangles: int) -> Surface:
    """Tubes as fine as the number of triangles allows."""
    for coarseness in DETAILS:
        plans = _plans(runs, coarseness)
        if sum(2 * sides * (len(r) + 2 * rings) for _, r, sides, rings in plans) < most_triangles:
            break
    return Surface.joined([tube(*plan) for plan in plans])


def _name(vertebra: Vertebra, side: Side) -> Label:
    """Name of a vertebra, on the front of its body away from the target and the azygos."""
    place = [-0.32 * side * vertebra.body_width, 0.45 * vertebra.body_depth, 0.0]
    return Label(vertebra.level.name, vertebra.world(place))


def _bones(skeleton: Skeleton, levels: list[Level]) -> Surface:
    return Surface.joined([smooth(*skeleton.bone_mesh(level)) for level in levels])


def _sac(skeleton: Skeleton, window: _Window) -> Surface:
    points, triangles = skeleton.sac.mesh(SAC_SIDES)
    height = points[:, 2].reshape(-1, SAC_SIDES).mean(axis=1)[triangles.min(axis=1) // SAC_SIDES]
    return smooth(points, triangles[(height >= window.low[2]) & (height <= window.high[2])])


def _roots(skeleton: Skeleton, root: Level, side: Side, window: _Window) -> tuple[Surface, Surface]:
    """Sleeve of the target root, and the other sleeves in the window."""
    target: list[Run] = []
    others: list[Run] = []
    for level in ROOTS:
        for at_side in SIDES:
            sleeve = skeleton.root_sleeve(level, at_side)
            if not window.inside(sleeve.points).any():
                continue
            radius = np.broadcast_to(np.asarray(sleeve.radius, dtype=float), len(sleeve.points))
            own = target if (level, at_side) == (root, side) else others
            own.append((sleeve.points, radius))
    return _tubes(target), _tubes(others)


def _catheter(cast: "Cast", window: _Window) -> Iterator[Part]:
    """Yield the catheter as far as it lies in the window, and a mark at its tip."""
    route = cast.mesh.route_cells
    if len(route) < 2:
        return
    points = cast.mesh.flow.cell_centroid[route]
    radius = cast.scenario.catheter_model().outer_diameter / 2.0
    vein = max(cast.mesh.flow.cell_radius[route[0]], radius)
    # beyond the first stretch it comes back only in great veins, which are not drawn
    near = _clipped([(points, np.full(len(points), radius))], window)[:1]
    yield Part("catheter", "#2e9e57", 1.0, _tubes(near))
    yield Part("tip", "#e0312b", 1.0, sphere(points[0], TIP_SWELL * vein, WIDE_SIDES))
