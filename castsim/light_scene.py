"""The scene of the web page: veins and cast as tubes, light enough to be turned anywhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from castsim.polylines import points_at, stretches
from castsim.scene import Part, Scene, facts
from castsim.surfaces import Surface, tube
from castsim.surroundings import (
    LEAST_SATURATION,
    Run,
    clipped,
    plans,
    scene_of,
    shells,
    solids,
    window_about,
)
from castsim.themes import THEMES
from geometry.structures import Compartment, Structure

if TYPE_CHECKING:
    from castsim.cast import Cast

MOST_TRIANGLES = 50_000
"""What a browser without a graphics card still turns smoothly."""
DETAILS = (0.5, 1.0, 1.5, 2.5, 4.0, 7.0)
"""Coarseness of veins and cast; the first is taken that keeps the scene light enough."""
CAST_SWELL = 1.06
"""The cast is drawn wider than its vein, so that the two walls do not flicker."""
CAST_COLOUR, VEIN_COLOUR = "#17181c", "#3f7fd0"

_HIDDEN = (Compartment.GREAT, Compartment.HAZARD)
"""Veins wider than a vertebra would fill the picture; the hazard is a name, not a sight."""


def light_scene(cast: "Cast", summary: Mapping[str, Any]) -> Scene:
    """Collect everything about the target root that the page of this cast shows.

    Parameters
    ----------
    cast : a run
    summary : its metrics, as in ``cast.json``
    """
    theme, window = THEMES["light"], window_about(cast)
    agent = _finest(clipped(_cast_runs(cast), window), MOST_TRIANGLES // 4)
    solid = (*solids(cast, window, theme), Part("cast", CAST_COLOUR, 0.88, agent))
    shell = tuple(shells(cast, window, theme))
    left = MOST_TRIANGLES - sum(part.surface.n_triangles for part in (*solid, *shell))
    veins = _finest(clipped(_vein_runs(cast), window), left)
    parts = (*solid, Part("veins", VEIN_COLOUR, theme.vein_opacity, veins), *shell)
    return scene_of(cast, window, window, parts, title=cast.scenario.title, facts=facts(summary))


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
    filled = cast.saturation >= LEAST_SATURATION
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


def _finest(runs: list[Run], most_triangles: int) -> Surface:
    """Tubes as fine as the number of triangles allows."""
    for coarseness in DETAILS:
        found = plans(runs, coarseness)
        if sum(2 * sides * (len(r) + 2 * rings) for _, r, sides, rings in found) < most_triangles:
            break
    return Surface.joined([tube(*plan) for plan in found])
