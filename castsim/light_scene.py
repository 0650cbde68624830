"""The scene of the web page: veins and cast as tubes, light enough to be turned anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from castsim.cord import towards_cord
from castsim.drawn import LEAST_SATURATION, DrawnCast
from castsim.painting import by_arrival, by_compartment
from castsim.polylines import points_at, stretches
from castsim.scene import Part, Scene, facts
from castsim.shown import HIDDEN
from castsim.still import filled_cubes
from castsim.surfaces import Surface, lighter, tube
from castsim.surroundings import (
    Run,
    clipped,
    last_arrival,
    marks_to_cord,
    plans,
    reading_at,
    scene_of,
    shells,
    solids,
    window_about,
)
from castsim.themes import THEMES, Theme
from geometry.structures import Structure

MOST_TRIANGLES = 50_000
"""What a browser without a graphics card still turns smoothly."""
DETAILS = (0.5, 1.0, 1.5, 2.5, 4.0, 7.0)
"""Coarseness of veins and cast; the first is taken that keeps the scene light enough."""
CAST_SWELL = 1.06
"""The cast is drawn wider than its vein, so that the two walls do not flicker."""


def light_scene(cast: DrawnCast, summary: Mapping[str, Any]) -> Scene:
    """Collect everything about the target root that the page of this cast shows.

    Parameters
    ----------
    cast : a run
    summary : its metrics, as in ``cast.json``
    """
    theme, window = THEMES["light"], window_about(cast)
    (agent,) = _finest([clipped(_cast_runs(cast), window)], MOST_TRIANGLES // 4)
    cubes = cast.holding_at(cast.injected).cubes
    if cubes is not None:
        filled, _ = filled_cubes(cubes, cast.cells.first_volume)
        agent = Surface.joined([agent, lighter(filled, MOST_TRIANGLES // 4)])
    solid = (*solids(cast, window, theme), _agent_part(cast, agent, theme))
    shell = tuple(shells(cast, window, theme))
    left = MOST_TRIANGLES - sum(part.surface.n_triangles for part in (*solid, *shell))
    runs = _vein_runs(cast)
    veins = _finest([clipped(own, window) for own in runs.values()], left)
    parts = (*solid, _veins_part(dict(zip(runs, veins, strict=True)), theme), *shell)
    title = cast.scenario.title
    words = [cast.scenario.agent, facts(summary)] + ([] if cubes is None else [cubes.words])
    line = " · ".join(words)
    scene = scene_of(cast, window, window, parts, title=title, facts=line)
    towards = towards_cord(cast, cast.injected)
    return replace(
        scene,
        labels=(*scene.labels, *marks_to_cord(towards)),
        reading=reading_at(cast, cast.injected),
        alarm=towards.alarm,
    )


def _agent_part(cast: DrawnCast, surface: Surface, theme: Theme) -> Part:
    """The cast, each vertex in the colour of the nearest cell (or cube) that holds agent."""
    cells = cast.cells
    held = np.flatnonzero(cells.saturation >= LEAST_SATURATION)
    if not surface.n_triangles:
        return Part("cast", theme.scale[0], 1.0, surface)
    _, nearest = cKDTree(cells.centre[held]).query(surface.points)
    paint = by_arrival(cells.first_volume[held[nearest]], last_arrival(cast), theme)
    return Part("cast", theme.scale[0], 1.0, surface, paint)


def _veins_part(veins: Mapping[Structure, Surface], theme: Theme) -> Part:
    """The veins of every structure, in the colour of its compartment."""
    surface = Surface.joined(list(veins.values()))
    if not surface.n_triangles:
        return Part("veins", theme.ink, theme.vein_opacity, surface)
    codes = [structure.value for structure in veins]
    structure = np.repeat(codes, [len(one.points) for one in veins.values()])
    paint = by_compartment(structure, np.arange(len(structure)), theme)
    return Part("veins", paint.colours[0], theme.vein_opacity, surface, paint)


def _vein_runs(cast: DrawnCast) -> dict[Structure, list[Run]]:
    network = cast.anatomy.network
    radius = np.sqrt(network.point_radius * network.point_radius_minor)
    runs: dict[Structure, list[Run]] = {}
    for branch in range(network.n_branches):
        structure = Structure(int(network.branch_structure[branch]))
        if structure.compartment not in HIDDEN:
            own = slice(network.point_offset[branch], network.point_offset[branch + 1])
            runs.setdefault(structure, []).append((network.point_xyz[own], radius[own]))
    return runs


def _cast_runs(cast: DrawnCast) -> list[Run]:
    """Stretches of every branch whose cells hold agent, from face to face; no cubes."""
    mesh, network = cast.mesh, cast.anatomy.network
    radius = CAST_SWELL * np.sqrt(mesh.flow.cell_radius * mesh.flow.cell_radius_minor)
    filled = (cast.saturation >= LEAST_SATURATION) & ~cast.is_cubes
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


def _finest(groups: Sequence[list[Run]], most_triangles: int) -> list[Surface]:
    """Tubes of every group, as fine as the number of triangles allows."""
    for coarseness in DETAILS:
        found = [plans(runs, coarseness) for runs in groups]
        every = (plan for own in found for plan in own)
        if sum(2 * sides * (len(r) + 2 * rings) for _, r, sides, rings in every) < most_triangles:
            break
    return [Surface.joined([tube(*plan) for plan in own]) for own in found]
