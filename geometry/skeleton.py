"""Skeleton: vertebrae posed along the supine spinal curve, canal, dural sac, foramina, roots.

World frame: patient RAS, mm, origin at the centre of the T8 body, whose axis is the world's z.
The spine is symmetric about x = 0.
"""

import csv
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bones import Bones, build_bones
from geometry.errors import GeometryError
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above, vertebra_below
from geometry.morphometry import Morphometry, load_morphometry
from geometry.root_sleeve import RootSleeve, build_root_sleeve
from geometry.swept_ellipse import SweptEllipse
from geometry.vertebra import Foramen, Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FORAMEN_BEYOND_PEDICLE_MM = 2.0
"""How far lateral of the pedicle the foramen's outer mouth lies (landmark table)."""
SKIN_BEYOND_MM = 170.0
"""How far the skin goes on above C1 and below S1, to the femoral puncture."""
ABOVE_C1_MM = 12.0
"""Distance from the centre of C1 to the foramen magnum, where sac and canal begin."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The posed spine. Distances to solids are signed, mm, negative inside.

    Attributes
    ----------
    vertebrae : by level, C1..S1
    foramina, sleeves : by root (C2..L5) and side
    bones : solids of every vertebra
    sac, canal, skin : swept ellipses in world, from the foramen magnum down
    """

    vertebrae: dict[Level, Vertebra]
    foramina: dict[tuple[Level, Side], Foramen]
    sleeves: dict[tuple[Level, Side], RootSleeve]
    bones: Bones = field(repr=False)
    sac: SweptEllipse = field(repr=False)
    canal: SweptEllipse = field(repr=False)
    skin: SweptEllipse = field(repr=False)

    @classmethod
    @cache
    def typical(cls) -> "Skeleton":
        """Adult of average size, supine: one object, that all anatomies share."""
        vertebrae = _pose(load_morphometry())
        foramina = {
            (root, side): _foramen(vertebrae, root, side) for root in ROOTS for side in SIDES
        }
        sleeves = {
            (root, side): build_root_sleeve(vertebrae[vertebra_above(root)], foramen)
            for (root, side), foramen in foramina.items()
        }
        bones = Bones(vertebrae, {level: build_bones(v) for level, v in vertebrae.items()})
        canal = [(v.canal_width / 2, v.canal_depth / 2) for v in vertebrae.values()]
        sac = [v.sac_semi_axes for v in vertebrae.values()]
        return cls(
            vertebrae,
            foramina,
            sleeves,
            bones,
            sac=_along_canal(vertebrae, sac),
            canal=_along_canal(vertebrae, canal),
            skin=_skin(vertebrae),
        )

    def vertebra(self, level: Level) -> Vertebra:
        """Vertebra by level (C8 is a root, not a vertebra)."""
        if level not in self.vertebrae:
            raise GeometryError(f"no vertebra {level.name}: it is a nerve root only")
        return self.vertebrae[level]

    def foramen(self, root: Level, side: Side) -> Foramen:
        """Foramen by nerve root, C2..L5."""
        if (root, side) not in self.foramina:
            raise GeometryError(_no_root("foramen", root, side))
        return self.foramina[root, side]

    def root_sleeve(self, root: Level, side: Side) -> RootSleeve:
        """Root sleeve by nerve root, C2..L5."""
        if (root, side) not in self.sleeves:
            raise GeometryError(_no_root("root sleeve", root, side))
        return self.sleeves[root, side]

    def sac_centreline(self) -> tuple[FloatArray, FloatArray]:
        """Centres (k, 3) and semi-axes (k, 2; transverse, antero-posterior) of the dural sac."""
        return self.sac.points, self.sac.semi_axes

    def canal_centreline(self) -> tuple[FloatArray, FloatArray]:
        """Centres (k, 3) and semi-axes (k, 2) of the bony canal."""
        return self.canal.points, self.canal.semi_axes

    def bone_distance(self, xyz: ArrayLike) -> FloatArray:
        """Distance (k,) of world points (k, 3) to the nearest bone, at most 20 mm."""
        points = np.atleast_2d(np.asarray(xyz, dtype=float))
        return self.bones.distance(points)

    def sac_distance(self, xyz: ArrayLike) -> FloatArray:
        """Distance (k,) of world points (k, 3) to the dural sac."""
        return self.sac.distance(xyz)

    def skin_distance(self, xyz: ArrayLike) -> FloatArray:
        """Distance (k,) of world points (k, 3) to the skin: negative within the patient."""
        return self.skin.distance(xyz)

    def inside_bone(self, xyz: ArrayLike) -> BoolArray:
        """Whether world points (k, 3) lie in bone."""
        return np.asarray(self.bone_distance(xyz) < 0)

    def inside_sac(self, xyz: ArrayLike) -> BoolArray:
        """Whether world points (k, 3) lie in the dural sac."""
        return np.asarray(self.sac_distance(xyz) < 0)

    def inside_skin(self, xyz: ArrayLike) -> BoolArray:
        """Whether world points (k, 3) lie within the patient."""
        return np.asarray(self.skin_distance(xyz) < 0)

    def bone_mesh(self, level: Level) -> tuple[FloatArray, IntArray]:
        """Surface of one vertebra for pictures: world vertices (v, 3) and triangles (t, 3)."""
        return self.bones.mesh(level)

    @cached_property
    def level_z(self) -> tuple[tuple[Level, ...], FloatArray]:
        """Vertebrae from the top down and the world z of their centres, (25,) mm."""
        return VERTEBRAE, np.array([self.vertebrae[level].origin[2] for level in VERTEBRAE])


def _no_root(what: str, root: Level, side: Side) -> str:
    return f"no {what} for root {root.name} {side.name.lower()}: roots C2..L5, right or left"


def _axes(tilt: float) -> FloatArray:
    """Axes of a vertebra whose z axis leans backwards by `tilt` (rad)."""
    c, s = np.cos(tilt), np.sin(tilt)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _pose(table: dict[Level, Morphometry]) -> dict[Level, Vertebra]:
    """Stack the vertebrae by height, disc and segment angle; T8 at the origin, upright.

    They are stacked on the line through the pedicles, where posterior heights are measured
    and where foramina are: so foramina have the height of the table, and lordosis opens the
    discs in front.
    """
    # segment angles are positive for kyphosis: going up, each leans further forwards
    angle = np.radians([table[level].segment_angle_deg for level in VERTEBRAE])
    tilt = np.concatenate([[0.0], np.cumsum(angle[:-1])])
    tilt -= tilt[VERTEBRAE.index(Level.T8)]
    origin = np.zeros((len(VERTEBRAE), 3))
    for i, level in enumerate(VERTEBRAE[:-1]):
        upper, lower = table[level], table[VERTEBRAE[i + 1]]
        middle = (tilt[i] + tilt[i + 1]) / 2
        floor = [0.0, -(upper.body_depth + upper.foramen_width) / 2, -upper.body_height / 2]
        roof = [0.0, -(lower.body_depth + upper.foramen_width) / 2, lower.body_height / 2]
        origin[i + 1] = (
            origin[i]
            + floor @ _axes(tilt[i])
            - upper.disc_height_below * _axes(middle)[2]
            - roof @ _axes(tilt[i + 1])
        )
    origin -= origin[VERTEBRAE.index(Level.T8)]
    return {
        level: Vertebra(origin[i], _axes(tilt[i]), level, table[level])
        for i, level in enumerate(VERTEBRAE)
    }


def _foramen(vertebrae: dict[Level, Vertebra], root: Level, side: Side) -> Foramen:
    """Opening between the pedicles above and below; its height follows from the bones."""
    upper, lower = vertebrae[vertebra_above(root)], vertebrae[vertebra_below(root)]
    width = upper.size.foramen_width
    x_medial = (upper.canal_width + lower.canal_width) / 4
    x_lateral = (
        x_medial + (upper.pedicle_width + lower.pedicle_width) / 2 + FORAMEN_BEYOND_PEDICLE_MM
    )
    x = side * (x_medial + x_lateral) / 2
    roof = upper.world(
        [x, upper.posterior_wall_y - width / 2, upper.pedicle_z - upper.pedicle_height / 2]
    )
    floor = lower.world(
        [x, lower.posterior_wall_y - width / 2, lower.pedicle_z + lower.pedicle_height / 2]
    )
    cranial = (roof - floor) / np.linalg.norm(roof - floor)
    right = np.array([1.0, 0.0, 0.0])
    return Foramen(
        origin=(roof + floor) / 2,
        axes=np.array([right, np.cross(cranial, right), cranial]),
        root=root,
        side=side,
        height=float(np.linalg.norm(roof - floor)),
        width=width,
        x_medial=x_medial,
        x_lateral=x_lateral,
    )


def _along_canal(
    vertebrae: dict[Level, Vertebra], semi_axes: list[tuple[float, float]]
) -> SweptEllipse:
    """Ellipses at every vertebra, concentric with the canal, to the foramen magnum above."""
    top = vertebrae[Level.C1]
    centres = [top.world([0.0, top.canal_centre_y, ABOVE_C1_MM])]
    centres += [v.world([0.0, v.canal_centre_y, 0.0]) for v in vertebrae.values()]
    return SweptEllipse.through(centres, [semi_axes[0], *semi_axes])


def _skin(vertebrae: dict[Level, Vertebra]) -> SweptEllipse:
    """Trunk and neck, from ``data/trunk_envelope.csv``, continued up and down."""
    text = files("geometry").joinpath("data/trunk_envelope.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    code = np.array([Level[row["level"]] for row in rows], dtype=float)
    levels = np.array(list(vertebrae), dtype=float)
    half_width, front, back = (
        np.interp(levels, code, [float(row[name]) for row in rows])
        for name in ("half_width", "front", "back")
    )
    centre = np.array([v.origin for v in vertebrae.values()])
    centre[:, 1] += (front - back) / 2
    semi = np.stack([half_width, (front + back) / 2], axis=1)
    beyond = np.array([0.0, 0.0, SKIN_BEYOND_MM])
    centre = np.vstack([centre[0] + beyond, centre, centre[-1] - beyond])
    return SweptEllipse.through(centre, np.vstack([semi[0], semi, semi[-1]]))
