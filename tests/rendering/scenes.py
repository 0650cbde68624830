"""A scene made by hand, of which it is known where everything is."""

import numpy as np

from castsim.scene import Label, Paint, Part, Reading, Scene
from castsim.surfaces import tube
from geometry.levels import Side


def rod(start: tuple[float, ...], end: tuple[float, ...], radius: float, sides: int = 24):
    return tube(np.array([start, end], dtype=float), np.full(2, radius), sides)


ROOT = Part("root", "#f2b705", 1.0, rod((4, 4, -12), (14, 4, -12), 2.0))


def hand_made_scene() -> Scene:
    """A cast on the patient's right, a vein across, and a bone in front of both."""
    agent = rod((4, 0, 0), (14, 0, 0), 1.6)
    late = (agent.points[:, 0] > 9.0).astype(int)
    vein = rod((-14, 0, 0), (15, 0, 0), 1.5)
    return Scene(
        parts=(
            ROOT,
            Part("cast", "#17181c", 1.0, agent, Paint(late, ("#101018", "#c03020"))),
            Part(
                "veins", "#3f7fd0", 0.42, vein,
                Paint(np.zeros(len(vein.points), dtype=int), ("#3f7fd0",), ("segmental veins",)),
            ),
            Part("bone", "#cdb88f", 0.28, rod((9, 12, -12), (9, 12, 10), 4.0)),
        ),
        labels=(Label("T9", np.array([-8.0, 0.0, 10.0])),),
        root="root",
        target=np.array([9.0, 4.0, -12.0]),
        tip=np.array([14.0, 0.0, 0.0]),
        root_axis=np.array([1.0, 0.0, 0.0]),
        root_length=10.0,
        side=Side.RIGHT,
        title="A scene made by hand",
        facts="0.60 mL injected",
        frame=np.array([[-16.0, -5.0, -18.0], [16.0, 5.0, 18.0]]),
        foramen=np.array([[-8.0, -12.0, 0.0], [18.0, 9.0, -12.0]]),
        reading=Reading(
            "root T9 right", 0.6, 1.0, 120.0, 350.0, np.radians([[-60.0, 60.0]]), np.array([1 / 3])
        ),
    )  # fmt: skip
