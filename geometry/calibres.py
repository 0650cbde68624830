"""Calibres of the veins, read from ``data/vein_calibres.csv``; typical or drawn for one patient.

A diameter is that of the circle of equal area; `flattening` is major over minor semi-axis, so
the semi-axes are r sqrt(f) and r / sqrt(f). Rows without a structure are kept for reference.
"""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from geometry.errors import GeometryError
from geometry.levels import SIDES, Level, Side
from geometry.structures import Structure

PATIENT_SD_LN = 0.15
"""Spread (sd of ln) of the factor that all veins of a patient share.

Estimate: height and blood volume vary by about 10 %, venous tone by about as much. What the
table's spread leaves is the factor of each vein.
"""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Key = tuple[Structure, str, Level, Side]


@dataclass(frozen=True)
class CalibreRow:
    """One row of the table: a vein over a range of levels, diameters in mm."""

    structure: Structure
    part: str
    first_level: Level
    last_level: Level
    side: Side
    diameter: float
    sd_ln: float
    minimum: float
    maximum: float
    flattening: float
    strands: int


@dataclass(frozen=True, eq=False)
class VeinKinds:
    """The simulated veins, one a structure, part, level and side, numbered in that order.

    Attributes
    ----------
    number : of each vein
    row : (v,) row of the table that holds it
    structure, level, side : (v,) codes
    diameter, own_sd, minimum, maximum : (v,) mm; spread (sd of ln) beside the patient's
    flattening : (v,)
    """

    number: dict[Key, int]
    row: tuple[CalibreRow, ...]
    structure: IntArray
    level: IntArray
    side: IntArray
    diameter: FloatArray
    own_sd: FloatArray
    minimum: FloatArray
    maximum: FloatArray
    flattening: FloatArray

    @cache  # noqa: B019  there is one object of this class
    def by_level(self, structure: Structure, side: Side, *, part: str = "") -> IntArray:
        """Number of this vein at every level code, -1 where there is none."""
        return np.array([self.number.get((structure, part, level, side), -1) for level in Level])


@dataclass(frozen=True)
class Calibres:
    """Lumen sizes of one patient.

    Attributes
    ----------
    radii : (v,) mm, of each of the :class:`VeinKinds`: of the circle of equal area, held inside
        the range of the table
    """

    radii: FloatArray

    @classmethod
    def typical(cls) -> "Calibres":
        """Mean calibres."""
        return cls._scaled(np.ones(len(vein_kinds().row)))

    @classmethod
    def draw(cls, rng: np.random.Generator, shared: float | None = None) -> "Calibres":
        """Lognormal calibres of mean 1: one factor for the patient, one for each vein.

        `shared` takes the place of the patient's factor; those of the veins stay the same.
        """
        sd = np.concatenate([[PATIENT_SD_LN], vein_kinds().own_sd])
        factor = np.exp(sd * rng.standard_normal(len(sd)) - sd * sd / 2)
        return cls._scaled((factor[0] if shared is None else shared) * factor[1:])

    @classmethod
    def _scaled(cls, factor: FloatArray) -> "Calibres":
        kinds = vein_kinds()
        return cls(np.clip(kinds.diameter * factor, kinds.minimum, kinds.maximum) / 2)

    def radius(
        self, structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
    ) -> float:
        """Radius of the circle of equal area, mm, held inside the range of the table."""
        return float(self.radii[vein_number(structure, level, side, part)])

    def flattening(
        self, structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
    ) -> float:
        """Major over minor semi-axis, 1 for a round vein."""
        return calibre_row(structure, level, side, part=part).flattening

    def semi_axes(
        self, structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
    ) -> tuple[float, float]:
        """Major and minor semi-axis, mm."""
        radius = self.radius(structure, level, side, part=part)
        stretch = math.sqrt(self.flattening(structure, level, side, part=part))
        return radius * stretch, radius / stretch


def calibre_row(
    structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
) -> CalibreRow:
    """Row of the table that holds this vein."""
    return vein_kinds().row[vein_number(structure, level, side, part)]


def vein_number(structure: Structure, level: Level, side: Side, part: str = "") -> int:
    """Number of a vein among the :class:`VeinKinds`."""
    key = (structure, part, level, side)
    number = vein_kinds().number.get(key)
    if number is None:
        raise GeometryError(f"vein_calibres.csv: no row for {_name(key)}")
    return number


@cache
def vein_kinds() -> VeinKinds:
    """All simulated veins."""
    by_key = _rows_by_key()
    keys = sorted(by_key)
    rows = tuple(by_key[key] for key in keys)
    sd = np.array([row.sd_ln for row in rows])
    return VeinKinds(
        number={key: i for i, key in enumerate(keys)},
        row=rows,
        structure=np.array([key[0] for key in keys], dtype=np.int64),
        level=np.array([key[2] for key in keys], dtype=np.int64),
        side=np.array([key[3] for key in keys], dtype=np.int64),
        diameter=np.array([row.diameter for row in rows]),
        own_sd=np.sqrt(np.maximum(sd**2 - PATIENT_SD_LN**2, 0.0)),
        minimum=np.array([row.minimum for row in rows]),
        maximum=np.array([row.maximum for row in rows]),
        flattening=np.array([row.flattening for row in rows]),
    )


@cache
def load_calibres() -> tuple[CalibreRow, ...]:
    """Read the table, rows of simulated veins only."""
    text = files("geometry").joinpath("data/vein_calibres.csv").read_text("utf-8")
    return tuple(
        CalibreRow(
            structure=Structure[row["structure"].upper()],
            part=row["part"],
            first_level=Level[row["first_level"]],
            last_level=Level[row["last_level"]],
            side=Side[row["side"].upper()] if row["side"] else Side.MIDLINE,
            diameter=float(row["diameter_mm"]),
            sd_ln=float(row["sd_ln"]),
            minimum=float(row["min_mm"]),
            maximum=float(row["max_mm"]),
            flattening=float(row["flattening"]),
            strands=int(row["strands"]),
        )
        for row in csv.DictReader(text.splitlines())
        if row["structure"]
    )


def _rows_by_key() -> dict[Key, CalibreRow]:
    """Row of every vein; a row without a side serves both sides and the midline."""
    rows: dict[Key, CalibreRow] = {}
    for row in load_calibres():
        sides = (row.side,) if row.side is not Side.MIDLINE else (*SIDES, Side.MIDLINE)
        for level in Level:
            if row.first_level <= level <= row.last_level:
                for side in sides:
                    key = (row.structure, row.part, level, side)
                    if key in rows:
                        raise GeometryError(f"vein_calibres.csv: two rows for {_name(key)}")
                    rows[key] = row
    return rows


def _name(key: Key) -> str:
    structure, part, level, side = key
    return " ".join(filter(None, (structure.label, part, level.name, side.name.lower())))
