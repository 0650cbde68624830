"""RootSleeve: the dural sleeve of a nerve root, a tube from the sac through the foramen.

Coverage is measured as an angle about its axis.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.curves import monotone
from geometry.kernels.around_sleeve import SleeveFrames, project, surround
from geometry.levels import Level, Side
from geometry.vertebra import Foramen, Vertebra

FloatArray = NDArray[np.float64]

VEIN_CLEARANCE_MM = 1.2
"""Room kept between the sleeve and the pedicles, for the strands that must pass there."""
BEYOND_MOUTH_MM = 5.0
"""How far the sleeve goes on past the lateral mouth."""
SAC_EXIT_DEG = 25.0
"""Where on the sac the root leaves: this far in front of its side."""
SLACK_MM = 0.5
"""How far the medial half of the sleeve may stray from the foramen's middle."""
STEP_MM = 0.5


@dataclass(frozen=True)
class RootSleeve:
    """Axis and radius of a root sleeve.

    Attributes
    ----------
    points : (k, 3) mm, world, from the sac's side to past the lateral mouth
    radius : mm
    arc : (k,) mm along the axis, 0 at the medial mouth of the foramen
    length : mm of the axis within the foramen
    cranial, anterior : (3,) unit vectors of the foramen, for the angle theta
    """

    root: Level
    side: Side
    points: FloatArray
    radius: float
    arc: FloatArray
    length: float
    cranial: FloatArray
    anterior: FloatArray

    def at(self, arc_fraction: ArrayLike) -> FloatArray:
        """Points of the axis, (k, 3) mm; 0 is the medial and 1 the lateral mouth."""
        arc = np.asarray(arc_fraction, dtype=float) * self.length
        return np.stack([np.interp(arc, self.arc, self.points[:, i]) for i in range(3)], axis=-1)

    def surround(self, arc_fraction: ArrayLike, rho: ArrayLike, theta: ArrayLike) -> FloatArray:
        """World points (k, 3) at distance `rho` (mm) and angle `theta` about the axis."""
        place = np.stack(np.broadcast_arrays(*np.atleast_1d(arc_fraction, rho, theta)), axis=-1)
        return surround(self.frames, np.zeros(len(place), dtype=np.int64), place.astype(float))

    def project(self, xyz: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cylindrical coordinates of points (k, 3) about the axis.

        Returns
        -------
        arc_fraction : (k,) 0 at the medial mouth, 1 at the lateral one, not clipped
        rho : (k,) mm from the axis
        theta : (k,) rad, 0 cranial, positive towards anterior
        """
        xyz = np.atleast_2d(np.asarray(xyz, dtype=float))
        place = project(self.frames, np.zeros(len(xyz), dtype=np.int64), xyz)
        return place[:, 0], place[:, 1], place[:, 2]

    @cached_property
    def frames(self) -> SleeveFrames:
        """One sleeve alone for the kernels."""
        tangent = np.diff(self.points, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        up = self.cranial - (tangent @ self.cranial)[:, None] * tangent
        up /= np.linalg.norm(up, axis=1, keepdims=True)
        front = np.cross(tangent, up)
        front *= np.sign(front @ self.anterior)[:, None]
        tangent, up, front = (np.vstack([unit, unit[-1:]]) for unit in (tangent, up, front))
        start, length = np.array([0, len(self.arc)]), np.array([self.length])
        return SleeveFrames(start, length, self.points, self.arc, tangent, up, front)


def joined_frames(sleeves: Iterable[RootSleeve]) -> SleeveFrames:
    """Many sleeves for the kernels."""
    every = [sleeve.frames for sleeve in sleeves]
    start = np.concatenate([[0], np.cumsum([len(one.arc) for one in every])])
    columns = list(zip(*every, strict=True))[1:]
    return SleeveFrames(start, *(np.concatenate(column) for column in columns))


def build_root_sleeve(vertebra: Vertebra, foramen: Foramen) -> RootSleeve:
    """Lay the sleeve of `foramen` from the sac of `vertebra` out through the foramen.

    Its slope in the foramen is the root's obliquity as far as the pedicles leave room for the
    sleeve and a vein on either side of it.
    """
    size, side = vertebra.size, foramen.side
    radius = size.root_sleeve_diameter / 2
    room = max(foramen.height / 2 - radius - VEIN_CLEARANCE_MM, 0.0)
    x_medial, x_lateral = foramen.mouths_local_x
    half = abs(x_lateral - x_medial) / 2
    half_rise = float(np.clip(half * np.tan(np.radians(size.root_obliquity_deg)), -room, room))
    spare = room - abs(half_rise)
    middle_z = float(np.clip(size.root_offset_fraction * foramen.height, -spare, spare))
    slope = half_rise / half
    # roots run forwards past the middle of the foramen only: behind it lies the joint, and
    # beyond it, in the neck, the vertebral artery passes in front
    forward = float(np.tan(np.radians(size.root_forward_deg)))
    medial_y = -float(np.clip(forward * half, -SLACK_MM, SLACK_MM))
    lateral_y = forward * half

    transverse, depth = vertebra.sac_semi_axes
    exit_angle = np.radians(SAC_EXIT_DEG)
    on_sac = vertebra.world(
        [
            side * transverse * np.cos(exit_angle),
            vertebra.canal_centre_y + depth * np.sin(exit_angle),
            0.0,
        ]
    )
    sac = foramen.local(on_sac)
    reach = abs(x_medial - sac[0])
    sac[2] = middle_z - half_rise - slope * reach  # the frame of the foramen sets the height

    run = np.array([-half - reach, -half, 0.0, half, half + BEYOND_MOUTH_MM])
    middle_x = (x_medial + x_lateral) / 2
    y = np.array([sac[1], medial_y, 0.0, lateral_y, lateral_y])
    z = middle_z + slope * run
    samples = np.linspace(run[0], run[-1], int(np.ceil((run[-1] - run[0]) / STEP_MM)) + 1)
    samples = np.union1d(samples, [-half, half])
    local = np.stack(
        [
            middle_x + side * samples,
            monotone(run, y, samples),
            monotone(run, z, samples),
        ],
        axis=1,
    )
    points = foramen.world(local)
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    medial, lateral = np.interp([-half, half], samples, arc)
    return RootSleeve(
        root=foramen.root,
        side=side,
        points=points,
        radius=radius,
        arc=arc - medial,
        length=float(lateral - medial),
        cranial=foramen.axes[2],
        anterior=foramen.axes[1],
    )
