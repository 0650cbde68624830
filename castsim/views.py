"""Directions of looking at a scene, all in parallel projection, so that a scale bar holds."""

from dataclasses import dataclass

import numpy as np

from castsim.scene import LETTER_THRESHOLD, OBLIQUE_RISE_DEG, OBLIQUE_TURN_DEG, Scene
from geometry.network import FloatArray

WHOLE_MM = 400.0
"""A cut so far before the focus that nothing is cut off."""
CLOSE_HALF_MM = 11.0
"""Half height of the view along the root: foramen and a little of the bone about it."""


@dataclass(frozen=True)
class View:
    """Where to look from.

    Attributes
    ----------
    name : under the picture
    focus : (3,) mm, what lies in the middle
    towards_eye : (3,) unit vector from the scene to the eye, RAS, not vertical
    half_height : mm, of what is seen
    cut : mm before the focus; what lies nearer to the eye is cut off
    """

    name: str
    focus: FloatArray
    towards_eye: FloatArray
    half_height: float
    cut: float = WHOLE_MM

    @property
    def right(self) -> FloatArray:
        """Unit vector to the right in the picture, (3,) RAS."""
        right = np.cross([0.0, 0.0, 1.0], self.towards_eye)
        return np.asarray(right / np.linalg.norm(right))

    @property
    def up(self) -> FloatArray:
        """Unit vector upwards in the picture, (3,) RAS."""
        return np.cross(self.towards_eye, self.right)


def direction(turn_deg: float, rise_deg: float = 0.0) -> FloatArray:
    """Unit vector (3,) forwards, turned to the patient's right and raised."""
    turn, rise = np.deg2rad([turn_deg, rise_deg])
    return np.array([np.cos(rise) * np.sin(turn), np.cos(rise) * np.cos(turn), np.sin(rise)])


def default_views(scene: Scene) -> tuple[View, View, View]:
    """From the front; obliquely from the target's side; along the root, cut at the foramen."""
    turn = OBLIQUE_TURN_DEG * scene.side
    half = scene.half_height
    return (
        View("front", scene.focus, direction(0.0), half),
        View("oblique", scene.target, direction(turn, OBLIQUE_RISE_DEG), half),
        View(
            "along the root, cut at its exit",
            scene.target,
            scene.root_axis,
            CLOSE_HALF_MM,
            cut=scene.root_length / 2.0,
        ),
    )


def edge_letters(towards: FloatArray) -> str:
    """Letters of the sides of the body that lie in a direction, the strongest first.

    Examples
    --------
    >>> edge_letters(np.array([-1.0, 0.0, 0.0])), edge_letters(np.array([0.6, 0.8, 0.0]))
    ('L', 'AR')
    """
    order = np.argsort(-np.abs(towards))
    return "".join(
        ("LR", "PA", "IS")[axis][int(towards[axis] > 0)]
        for axis in order
        if abs(towards[axis]) >= LETTER_THRESHOLD
    )
