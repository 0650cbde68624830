"""One view of a scene as an image without words, drawn off screen with PyVista.

Opaque parts are drawn at once; of each veil, by itself, only the nearest wall, and it is laid over
what lies behind it. So no pixel depends on the order of triangles, and a movie draws its veils
once. Before cast and tip veils are thin: what stands for a volume must keep its colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from castsim.scene import BEFORE_MARK, LEAST_FACING, MARKED, Part, Scene
from castsim.themes import Theme
from castsim.views import View

Picture = NDArray[np.uint8]
Frame = NDArray[np.float32]
Mask = NDArray[np.bool_]

SAMPLES = 2
"""Drawn pixels along either side of one in the picture."""
HEAD_LIGHT, FILL_LIGHT = 0.70, 0.30
FILL_PLACE = (-0.6, 0.9, 0.8)
EYE_DISTANCE_MM = 500.0
ON_WALL_MM = 0.03
"""A veil so near before something opaque is its own wall, and does not veil it."""


class Layer(NamedTuple):
    """What drawing a veil left: colours (h, w, 3), densities and depths (h, w), 0 near to 1 far.

    Of some pixels only, the first two axes are one.
    """

    colour: Picture
    density: Frame
    depth: Frame

    def thinner(self, where: Mask, share: float) -> "Layer":
        """Pixels of a mask, with this share of the density."""
        density = np.float32(share) * self.density[where]
        return Layer(self.colour[where], density, self.depth[where])


class Solid(NamedTuple):
    """What is opaque: colours (h, w, 3), depths (h, w), and where cast or tip are seen (h, w)."""

    colour: Picture
    depth: Frame
    marked: Mask


@dataclass(frozen=True)
class Veils:
    """Layers in front of which opaque things may lie.

    Attributes
    ----------
    layers : one for each veil
    shares : (h, w) each, of its colour in the picture where nothing opaque hides it
    """

    layers: tuple[Layer, ...]
    shares: tuple[Frame, ...]

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> "Veils":
        """Work out how much of every veil is seen through those before it."""
        shares = []
        for one in layers:
            share = one.density.copy()
            for other in layers:
                if other is not one:
                    share *= np.where(other.depth < one.depth, 1.0 - other.density, 1.0)
            shares.append(share)
        return cls(tuple(layers), tuple(shares))

    def over(self, solid: Solid) -> Picture:
        """Picture (h, w, 3) of opaque things behind and among the veils."""
        image = self._before(solid.colour, solid.depth)
        seen = solid.marked
        thin = Veils.of([layer.thinner(seen, BEFORE_MARK) for layer in self.layers])
        image[seen] = thin._before(solid.colour[seen], solid.depth[seen])
        return _averaged(image)

    def _before(self, colour: Picture, depth: Frame) -> Frame:
        """Colours (…, 3) of what lies at a depth (…) behind the veils."""
        through = np.ones_like(depth)
        image = np.zeros(colour.shape, dtype=np.float32)
        for layer, share in zip(self.layers, self.shares, strict=True):
            before = layer.depth < depth
            through *= np.where(before, 1.0 - layer.density, 1.0)
            image += np.where(before, share, 0.0)[..., None] * layer.colour
        image += through[..., None] * colour
        return image


class Studio:
    """An off-screen window in which panels of one size are drawn.

    Parameters
    ----------
    size : width and height of a panel, pixels
    theme : whose paper lies behind
    """

    def __init__(self, size: tuple[int, int], theme: Theme) -> None:
        self._plotter = pv.Plotter(
            off_screen=True,
            window_size=[SAMPLES * pixels for pixels in size],
            lighting="none",
            theme=pv.themes.DocumentTheme(),  # whatever the user's own theme
        )
        self._plotter.renderer.set_background(theme.paper)
        self._plotter.disable_anti_aliasing()
        self._plotter.add_light(pv.Light(light_type="headlight", intensity=HEAD_LIGHT))
        fill = pv.Light(position=FILL_PLACE, light_type="camera light", intensity=FILL_LIGHT)
        self._plotter.add_light(fill)

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self._plotter.close()

    def panel(self, scene: Scene, view: View) -> Picture:
        """Image (height, width, 3) of a scene."""
        return self.veils(scene, view).over(self.solid(scene, view))

    def solid(self, scene: Scene, view: View) -> Solid:
        """Draw all that is opaque, and the paper behind it."""
        self._aim(view)
        opaque = [part for part in _seen(scene, view) if part.opacity == 1.0]
        colour, depth = self._drawn([part for part in opaque if part.name not in MARKED])
        own, near = self._drawn([part for part in opaque if part.name in MARKED])
        marked = near < depth
        colour = np.where(marked[..., None], own, colour)
        depth = np.minimum(depth, near)
        ahead = np.float32(ON_WALL_MM / (view.cut + view.far))
        return Solid(colour, np.where(depth < 1.0, depth - ahead, depth), marked)

    def _drawn(self, parts: Sequence[Part]) -> tuple[Picture, Frame]:
        """Colours (h, w, 3) and depths (h, w) of these parts alone."""
        actors = [self._add(part) for part in parts]
        frame = self._frame()
        self._plotter.renderer.remove_actor(actors, reset_camera=False, render=False)
        return frame

    def veils(self, scene: Scene, view: View) -> Veils:
        """Draw every veil by itself."""
        self._aim(view)
        return Veils.of([self._veil(part) for part in _seen(scene, view) if part.opacity < 1.0])

    def _veil(self, part: Part) -> Layer:
        actor = self._add(part)
        colour, depth = self._frame()
        # as bright as it faces the eye: white face on, black edge on
        self._light(1.0, 0.0)
        actor.mapper.scalar_visibility = False
        actor.prop.color = "white"
        actor.prop.ambient, actor.prop.diffuse, actor.prop.specular = 0.0, 1.0, 0.0
        facing, _ = self._frame()
        self._light(HEAD_LIGHT, FILL_LIGHT)
        self._plotter.renderer.remove_actor(actor, reset_camera=False, render=False)
        cosine = np.maximum(facing[..., 0] / np.float32(255.0), LEAST_FACING)
        density = 1.0 - np.float32(1.0 - part.opacity) ** (1.0 / cosine)
        return Layer(colour, np.where(depth < 1.0, density, 0.0), depth)

    def _add(self, part: Part) -> pv.Actor:
        """Add a part, lit in its own colours."""
        mesh = part.surface.polydata()
        options: dict[str, Any] = {"color": part.colour}
        if part.paint is not None:
            palette = np.array([pv.Color(one).int_rgb for one in part.paint.colours], np.uint8)
            options = {"scalars": palette[part.paint.index], "rgb": True}
        actor = self._plotter.add_mesh(mesh, **options, reset_camera=False, render=False)
        # smooth_shading would compute normals anew and round the edges of bones
        actor.prop.interpolation = "phong"
        actor.prop.ambient, actor.prop.diffuse = 0.30, 0.76
        actor.prop.specular, actor.prop.specular_power = 0.12, 30.0
        return actor

    def _aim(self, view: View) -> None:
        camera = self._plotter.camera
        camera.parallel_projection = True
        camera.focal_point = tuple(view.focus)
        camera.position = tuple(view.focus + EYE_DISTANCE_MM * view.towards_eye)
        camera.up = tuple(view.up)
        camera.parallel_scale = view.half_height
        camera.clipping_range = (EYE_DISTANCE_MM - view.cut, EYE_DISTANCE_MM + view.far)

    def _light(self, head: float, fill: float) -> None:
        for light, intensity in zip(self._plotter.renderer.lights, (head, fill), strict=True):
            light.intensity = intensity

    def _frame(self) -> tuple[Picture, Frame]:
        """Draw; colours (h, w, 3) and depths (h, w)."""
        from vtkmodules.util import numpy_support
        from vtkmodules.vtkCommonCore import vtkFloatArray

        self._plotter.render()  # without it a screenshot returns the frame before
        colour = np.asarray(self._plotter.screenshot(return_img=True))
        high, wide = colour.shape[:2]
        depth = vtkFloatArray()
        window: Any = self._plotter.render_window
        window.GetZbufferData(0, 0, wide - 1, high - 1, depth)
        vtk: Any = numpy_support  # has no types
        return colour, vtk.vtk_to_numpy(depth).reshape(high, wide)[::-1].copy()


def _seen(scene: Scene, view: View) -> list[Part]:
    """Parts as the view shows them: it may look through the target root."""
    return [
        replace(part, opacity=view.root_opacity) if part.name == scene.root else part
        for part in scene.parts
    ]


def _averaged(fine: Frame) -> Picture:
    """Average the samples of every pixel; VTK's own supersampling is slower."""
    coarse = np.zeros((len(fine) // SAMPLES, fine.shape[1] // SAMPLES, 3), dtype=np.float32)
    for row in range(SAMPLES):
        for column in range(SAMPLES):
            coarse += fine[row::SAMPLES, column::SAMPLES]
    return np.rint(coarse / SAMPLES**2).astype(np.uint8)
