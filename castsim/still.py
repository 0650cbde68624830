"""What a still picture or a frame of a movie shows: the cast at any injected volume.

Veins are the surface of the lumen, coloured by compartment. The cast is that of the veins alone
which agent reached, where they hold it, coloured by the volume at which it came: in the surface of
all veins it would have a hole wherever an empty one overlaps with it. Where the injection ran on
cubes, the cast is the surface about those that agent fills.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from castsim.cast_surface import Along
from castsim.cord import TowardsCord, towards_cord
from castsim.drawn import LEAST_SATURATION, DrawnCast, log_at
from castsim.errors import ResultError
from castsim.holding import CubesHold
from castsim.painting import by_arrival, by_compartment
from castsim.scene import Part, Scene, injected_words
from castsim.shown import EXTRAS, Shown
from castsim.surfaces import Surface, contour, part_above, thin, without_stairs
from castsim.surroundings import (
    Window,
    last_arrival,
    marks_to_cord,
    reading_at,
    scene_of,
    shells,
    solids,
    window_about,
)
from castsim.themes import Theme
from castsim.units import ROUNDED_ML, UL_PER_ML, little, mL_from_uL
from geometry.flowmesh import BoolArray
from geometry.kernels.lumen import Capsules
from geometry.lumen import capsules_of, minor_axes
from geometry.network import FloatArray, VesselNetwork
from geometry.surface import BEYOND_MM, LumenSurface, capsule_surface

SPACING_MM = 0.4
"""Of the surface of the lumen."""
TALLER_MM = 25.0
"""How far the scene goes on above and below what it must show: a picture may be higher."""


class Still:
    """A cast made ready to be drawn at any volume.

    Parameters
    ----------
    cast : just run, or read from its files
    theme : of `THEMES`
    shown : what is drawn besides root, tip and cast
    """

    def __init__(self, cast: DrawnCast, theme: Theme, shown: Shown | None = None) -> None:
        self.cast, self.theme = cast, theme
        self.shown = Shown.usual() if shown is None else shown
        self._window = window_about(cast)
        capsules, heights = _capsules(cast, self._window)
        network, mesh = cast.anatomy.network, cast.mesh
        codes = [one.value for one in self.shown.structures]
        drawn = np.isin(network.branch_structure[capsules.branch], codes)
        self._veins = _surface_of(network, capsules, drawn, heights)
        ends = capsules.arc, capsules.arc + np.linalg.norm(capsules.along, axis=1)
        reached = np.isfinite(cast.first_volume) & ~cast.is_cubes
        held = mesh.stretches_with(capsules.branch, *ends, reached)
        self._held: tuple[LumenSurface, Along, FloatArray] | None = None
        surface = _surface_of(network, capsules, held, heights)
        if surface is not None:
            along = Along.of(cast, surface)
            arrival = along.at(cast.first_volume)  # where it never came, at last
            arrival[~np.isfinite(arrival)] = last_arrival(cast)
            self._held = surface, along, arrival

    @property
    def injected_mL(self) -> float:
        """Agent out of the tip at the end."""
        return mL_from_uL(self.cast.injected)

    def scene(self, volume_mL: float | None = None) -> Scene:
        """Scene when `volume_mL` has left the tip; None: at the end.

        Raises
        ------
        ResultError
            If less was injected.
        """
        volume = self._volume(volume_mL)
        around, towards = self._surroundings, towards_cord(self.cast, volume)
        return replace(
            around,
            parts=(*self._solids, *self._agent(volume), *self._veils),
            labels=(*marks_to_cord(towards), *around.labels),
            facts=_facts(self.cast, volume, towards),
            reading=reading_at(self.cast, volume),
            alarm=towards.alarm,
        )

    def heading(self, volume_mL: float) -> tuple[str, str]:
        """Line of facts and alarm of that scene, without the rest of it."""
        volume = self._volume(volume_mL)
        towards = towards_cord(self.cast, volume)
        return _facts(self.cast, volume, towards), towards.alarm

    def _volume(self, volume_mL: float | None) -> float:
        """Volume in mm3, none beyond what was injected."""
        if volume_mL is None:
            return self.cast.injected
        if not 0.0 <= volume_mL <= self.injected_mL + ROUNDED_ML:
            raise ResultError(
                f"volume of {volume_mL:g} mL: {self.injected_mL:.3f} mL were injected; name a "
                "volume from 0 to that"
            )
        return min(volume_mL * UL_PER_ML, self.cast.injected)

    def _agent(self, volume: float) -> tuple[Part, ...]:
        """What agent holds, by arrival: of veins a part of the lumen, and cubes."""
        holding = self.cast.holding_at(volume)
        surface, arrival = Surface.joined([]), np.zeros(0)
        if self._held is not None:
            lumen, along, came = self._held
            share = np.where(self.cast.is_cubes, 0.0, holding.share)
            surface, arrival = part_above(
                Surface(lumen.points, lumen.normals, lumen.triangles),
                along.at(share), LEAST_SATURATION, came,
            )  # fmt: skip
        if holding.cubes is not None:
            cubes, came = filled_cubes(holding.cubes, self.cast.cells.first_volume)
            surface = Surface.joined([surface, cubes])
            arrival = np.concatenate([arrival, came])
        if not surface.n_triangles:
            return ()
        paint = by_arrival(arrival, last_arrival(self.cast), self.theme)
        return (Part("cast", self.theme.scale[0], 1.0, surface, paint),)

    @cached_property
    def _solids(self) -> tuple[Part, ...]:
        parts = solids(self.cast, self._window.taller(TALLER_MM), self.theme)
        return tuple(part for part in parts if self._is_shown(part.name))

    @cached_property
    def _veils(self) -> tuple[Part, ...]:
        parts = shells(self.cast, self._window.taller(TALLER_MM), self.theme)
        return (*self._lumen(), *(part for part in parts if self._is_shown(part.name)))

    @cached_property
    def _surroundings(self) -> Scene:
        tall = self._window.taller(TALLER_MM)
        title = self.cast.scenario.title or self.cast.scenario.name
        return scene_of(self.cast, self._window, tall, (), title=title, facts="")

    def _is_shown(self, name: str) -> bool:
        return name not in EXTRAS or name in self.shown.extras

    def _lumen(self) -> tuple[Part, ...]:
        """All veins that are shown, as one surface: what is not shown tears no holes in it."""
        if self._veins is None:
            return ()
        lumen = self._veins
        surface = Surface(lumen.points, lumen.normals, lumen.triangles)
        paint = by_compartment(lumen.structure, np.arange(len(lumen.points)), self.theme)
        return (Part("veins", paint.colours[0], self.theme.vein_opacity, surface, paint),)


def _surface_of(
    network: VesselNetwork, capsules: Capsules, which: BoolArray, heights: tuple[float, float]
) -> LumenSurface | None:
    """Surface of some pieces of vein; None where none of them is in sight."""
    ends = capsules.start[:, 2], capsules.start[:, 2] + capsules.along[:, 2]
    which = which & (np.maximum(*ends) > heights[0]) & (np.minimum(*ends) < heights[1])
    if not which.any():
        return None
    own = Capsules(**{name: rows[which] for name, rows in capsules._asdict().items()})
    surface = capsule_surface(network, own, heights=heights, spacing_mm=SPACING_MM)
    return surface if len(surface.triangles) else None


def filled_cubes(cubes: CubesHold, first_volume: FloatArray) -> tuple[Surface, FloatArray]:
    """Surface about the cubes that agent fills, and when it came to its vertices, (v,) mm3.

    Agent that lies on the floor of a vein is seen as it lies there; the cubes' steps are not drawn,
    but where agent is less than two cubes wide.

    Parameters
    ----------
    cubes : c of them
    first_volume : (n,) mm3, of cells of which the last c are these cubes
    """
    held = np.flatnonzero(cubes.share >= LEAST_SATURATION)
    if not len(held):
        return Surface.joined([]), np.zeros(0)
    place = cubes.place[held]
    low, high = place.min(axis=0), place.max(axis=0)
    values = np.zeros(high - low + 1)
    values[tuple((place - low).T)] = cubes.share[held]
    origin = cubes.origin + cubes.spacing * low
    surface = contour(values, origin, cubes.spacing, LEAST_SATURATION)
    _, nearest = cKDTree(cubes.origin + cubes.spacing * place).query(surface.points)
    is_thin = thin(values >= LEAST_SATURATION)[tuple((place - low).T)]
    first = len(first_volume) - len(cubes.place)
    return without_stairs(surface, is_thin[nearest]), first_volume[first + held[nearest]]


def _capsules(cast: DrawnCast, window: Window) -> tuple[Capsules, tuple[float, float]]:
    """All pieces of vein, with their flat sides known at the height of the window; and that."""
    network, tall = cast.anatomy.network, window.taller(TALLER_MM)
    heights = float(tall.low[2]), float(tall.high[2])
    beyond = heights[0] - BEYOND_MM, heights[1] + BEYOND_MM
    axes = minor_axes(network, cast.anatomy.skeleton, beyond)
    return capsules_of(network, axes), heights


def _facts(cast: DrawnCast, volume: float, towards: TowardsCord) -> str:
    """One line: agent, volume and where it is, reflux, time, and at the end why it ended."""
    holding, at = cast.holding_at(volume), np.array([volume])
    time, azygos, carried = (float(log_at(cast, c, at)[0]) for c in ("time", "azygos", "embolised"))
    words = [
        cast.scenario.agent,
        injected_words(
            mL_from_uL(volume), mL_from_uL(holding.total), mL_from_uL(carried), towards.beyond_mL
        ),
        f"azygos reflux {little(mL_from_uL(azygos))} mL",
        f"{time:.0f} s",
    ]
    if holding.cubes is not None:
        words.append(f"{holding.cubes.words}, {cast.scenario.patient.position.replace('_', ' ')}")
    if volume >= cast.injected:
        words.append(cast.stop_reason.replace("_", " "))
    return " · ".join(words)
