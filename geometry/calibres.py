"""Calibres of the veins, read from ``data/vein_calibres.csv``; typical or drawn for one patient.

A diameter is that of the circle of equal area; `flattening` is major over minor semi-axis, so
the semi-axes are r sqrt(f) and r / sqrt(f). Rows without a structure are kept for reference.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from geometry.errors import GeometryError
from geometry.levels import SIDES, Level, Side
from geometry.structures import Structure

PATIENT_SD_LN = 0.15
"""Spread (sd of ln) of the factor that all veins of a patient share.

Estimate: height and blood volume vary by about 10 %, venous tone by about as much. What the
table's spread leaves is the factor of each vein.
"""

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


@dataclass(frozen=True)
class Calibres:
    """Lumen sizes of one patient.

    Attributes
    ----------
    patient_factor : shared by all veins (1 in the typical anatomy)
    """

    patient_factor: float
    _own_factor: Mapping[Key, float]

    @classmethod
    def typical(cls) -> "Calibres":
        """Mean calibres."""
        return cls(1.0, MappingProxyType({}))

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Calibres":
        """Lognormal calibres of mean 1: one factor for the patient, one for each vein."""
        patient = _lognormal(PATIENT_SD_LN, rng.standard_normal())
        own: dict[Key, float] = {}
        for key, row in sorted(_rows_by_key().items()):
            own_sd = math.sqrt(max(row.sd_ln**2 - PATIENT_SD_LN**2, 0.0))
            own[key] = _lognormal(own_sd, rng.standard_normal())
        return cls(patient, MappingProxyType(own))

    def radius(
        self, structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
    ) -> float:
        """Radius of the circle of equal area, mm, held inside the range of the table."""
        key = (structure, part, level, side)
        row = _row(key)
        diameter = row.diameter * self.patient_factor * self._own_factor.get(key, 1.0)
        return min(max(diameter, row.minimum), row.maximum) / 2

    def flattening(
        self, structure: Structure, level: Level, side: Side = Side.MIDLINE, *, part: str = ""
    ) -> float:
        """Major over minor semi-axis, 1 for a round vein."""
        return _row((structure, part, level, side)).flattening

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
    return _row((structure, part, level, side))


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


@cache
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


def _row(key: Key) -> CalibreRow:
    found = _rows_by_key().get(key)
    if found is None:
        raise GeometryError(f"vein_calibres.csv: no row for {_name(key)}")
    return found


def _name(key: Key) -> str:
    structure, part, level, side = key
    return " ".join(filter(None, (structure.label, part, level.name, side.name.lower())))


def _lognormal(sd: float, z: float) -> float:
    """Lognormal factor of mean 1."""
    return math.exp(sd * z - sd * sd / 2)
