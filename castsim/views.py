"""Directions of looking at a scene, all in parallel projection, so that a scale bar holds."""

from dataclasses import dataclass, field, replace

import numpy as np

from castsim.scene import OBLIQUE_RISE_DEG, OBLIQUE_TURN_DEG, Scene
from geometry.network import FloatArray

WHOLE_MM = 400.0
"""A cut so far from the focus that nothing is cut off."""
CLOSE_HALF_MM = 11.0
"""Half height of the view along the root: foramen and a little of the bone about it."""
MARGIN = 1.10
"""Room about what a view has to show."""
BELOW_MM, ABOVE_MM = 6.5, 13.5
"""What a view from below shows about the root's middle: from just below the veins that wrap the
root, which the next level's would hide, to the end of those of one level."""
ROOT_OPACITY = 0.55
"""Of the root where it lies before tip and cast."""
NAMES = ("ap", "lateral", "oblique", "axial")

UPWARDS = np.array([0.0, 0.0, 1.0])
FORWARDS = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class View:
    """Where to look from.

    Attributes
    ----------
    name : under the picture
    focus : (3,) mm, what lies in the middle
    towards_eye : (3,) unit vector from the scene to the eye, RAS
    half_height : mm, of what is seen
    cut, far : mm before and behind the focus; what lies nearer or farther is cut off
    upright : (3,) what points up in the picture, not along `towards_eye`
    root_opacity : of the target root
    """

    name: str
    focus: FloatArray
    towards_eye: FloatArray
    half_height: float
    cut: float = WHOLE_MM
    far: float = WHOLE_MM
    upright: FloatArray = field(default_factory=lambda: UPWARDS)
    root_opacity: float = 1.0

    @property
    def right(self) -> FloatArray:
        """Unit vector to the right in the picture, (3,) RAS."""
        right = np.cross(self.upright, self.towards_eye)
        return np.asarray(right / np.linalg.norm(right))

    @property
    def up(self) -> FloatArray:
        """Unit vector upwards in the picture, (3,) RAS."""
        return np.cross(self.towards_eye, self.right)


def direction(turn_deg: float, rise_deg: float = 0.0) -> FloatArray:
    """Unit vector (3,) forwards, turned to the patient's right and raised."""
    turn, rise = np.deg2rad([turn_deg, rise_deg])
    return np.array([np.cos(rise) * np.sin(turn), np.cos(rise) * np.cos(turn), np.sin(rise)])


def named_view(scene: Scene, name: str, aspect: float) -> View:
    """One of `NAMES`, as near as it may be while it shows all that it must.

    That is the whole cast, and along the spine the foramen and the canal.

    Parameters
    ----------
    name : ap: from the front; lateral: from the target's side; oblique: between the two, raised;
        axial: from the feet, as scans are shown, a slab about the target, through its root
    aspect : width over height of the picture
    """
    if name == "axial":
        words = f"axial, from below, {BELOW_MM + ABOVE_MM:g} mm about the root"
        slab = View(words, scene.target, -UPWARDS, 1.0, BELOW_MM, ABOVE_MM, FORWARDS, ROOT_OPACITY)
        return _framed(slab, scene.foramen, aspect)
    side = scene.side.name.lower()
    turn, rise, words = {
        "ap": (0.0, 0.0, "AP, from the front"),
        "lateral": (90.0 * scene.side, 0.0, f"lateral, from the {side}"),
        "oblique": (OBLIQUE_TURN_DEG * scene.side, OBLIQUE_RISE_DEG, f"oblique, front {side}"),
    }[name]
    return _framed(View(words, scene.target, direction(turn, rise), 1.0), scene.frame, aspect)


def root_view(scene: Scene) -> View:
    """Along the target root from outside, cut at its exit: how far it is wrapped."""
    return View(
        "along the root",
        scene.target,
        scene.root_axis,
        CLOSE_HALF_MM,
        cut=scene.root_length / 2.0,
    )


def extent(view: View, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middle (3,) of points (k, 3) in a view, as deep as its focus, and half their size, (2,) mm.

    The size is that to the right and upwards in the picture.
    """
    axes = np.stack([view.right, view.up])
    place = (points - view.focus) @ axes.T
    low, high = place.min(axis=0), place.max(axis=0)
    return view.focus + (low + high) / 2.0 @ axes, (high - low) / 2.0


def _framed(view: View, points: FloatArray, aspect: float) -> View:
    """The same view moved and widened so that it shows all `points` (k, 3)."""
    focus, half = extent(view, points)
    return replace(view, focus=focus, half_height=MARGIN * float(max(half[1], half[0] / aspect)))
