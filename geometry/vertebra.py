"""Vertebra and foramen: a frame each, with sizes.

Local frame: x right, y anterior, z cranial; the origin is the centre of the body, or of the
foramen. World: patient RAS, mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.levels import Level, Side
from geometry.morphometry import Morphometry

FloatArray = NDArray[np.float64]

PEDICLE_HEIGHT_FRACTION = 0.15
"""Height of the pedicle's axis above the body's centre, in body heights.

With 0.15 the midpoint between two pedicles is where anatomy tables put the centre of the
foramen (half a body and half a disc down, 0.15 body heights up) and the foramen's height is
that of the table; with 0.25 thoracic pedicles would rise 2 mm above their body's endplate.
"""


@dataclass(frozen=True)
class Frame:
    """A right-handed frame: `origin` (3,) mm and `axes` (3, 3), rows x, y, z in world."""

    origin: FloatArray
    axes: FloatArray

    def world(self, local: ArrayLike) -> FloatArray:
        """Local to world coordinates, (k, 3) or (3,) mm."""
        return np.asarray(np.asarray(local, dtype=float) @ self.axes + self.origin)

    def local(self, world: ArrayLike) -> FloatArray:
        """World to local coordinates, (k, 3) or (3,) mm."""
        return np.asarray((np.asarray(world, dtype=float) - self.origin) @ self.axes.T)


@dataclass(frozen=True)
class Vertebra(Frame):
    """One vertebra: frame and sizes, mm.

    C1 is a ring round the dens: it has no body, and body sizes are those of the dens with
    its ligaments, so that the canal begins at `posterior_wall_y` at every level.
    """

    level: Level
    size: Morphometry

    @property
    def has_body(self) -> bool:
        """Whether there is a vertebral body (all but C1)."""
        return self.level is not Level.C1

    @property
    def body_width(self) -> float:
        """Transverse width of the body."""
        return self.size.body_width

    @property
    def body_depth(self) -> float:
        """Depth of the body, front to back."""
        return self.size.body_depth

    @property
    def body_height(self) -> float:
        """Posterior height of the body."""
        return self.size.body_height

    @property
    def disc_height_below(self) -> float:
        """Height of the disc below (0 for S1)."""
        return self.size.disc_height_below

    @property
    def canal_width(self) -> float:
        """Distance between the pedicles."""
        return self.size.canal_width

    @property
    def canal_depth(self) -> float:
        """Bony depth of the canal."""
        return self.size.canal_depth

    @property
    def pedicle_width(self) -> float:
        """Transverse width of a pedicle."""
        return self.size.pedicle_width

    @property
    def pedicle_height(self) -> float:
        """Height of a pedicle."""
        return self.size.pedicle_height

    @property
    def pedicle_x(self) -> float:
        """Local |x| of the pedicle's axis."""
        return (self.canal_width + self.pedicle_width) / 2

    @property
    def pedicle_z(self) -> float:
        """Local z of the pedicle's axis."""
        return PEDICLE_HEIGHT_FRACTION * self.body_height if self.has_body else 0.0

    @property
    def posterior_wall_y(self) -> float:
        """Local y of the posterior wall of the body, the front of the canal."""
        return -self.body_depth / 2

    @property
    def canal_centre_y(self) -> float:
        """Local y of the centre of the canal, which is the centre of the sac too."""
        return self.posterior_wall_y - self.canal_depth / 2

    @property
    def sac_semi_axes(self) -> tuple[float, float]:
        """Semi-axes of the dural sac, transverse and antero-posterior."""
        root_ratio = float(np.sqrt(self.size.dural_sac_ratio))
        radius = self.size.dural_sac_diameter / 2
        return radius * root_ratio, radius / root_ratio


@dataclass(frozen=True)
class Foramen(Frame):
    """Opening between two pedicles, named by the root that leaves through it.

    `height` is the distance between the pedicles' edges, that is pedicle spacing less
    pedicle height; `width` is front to back. `x_medial` and `x_lateral` are the |x| of its
    mouths (the frame's x axis is that of the world).
    """

    root: Level
    side: Side
    height: float
    width: float
    x_medial: float
    x_lateral: float

    @property
    def mouths_local_x(self) -> tuple[float, float]:
        """Local x of the medial and the lateral mouth, signed by side."""
        middle = abs(float(self.origin[0]))
        return self.side * (self.x_medial - middle), self.side * (self.x_lateral - middle)
