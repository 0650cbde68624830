"""Sizes of the vertebrae, read from ``data/vertebral_morphometry.csv``."""

import csv
from dataclasses import dataclass
from importlib.resources import files

from geometry.errors import GeometryError
from geometry.levels import VERTEBRAE, Level


@dataclass(frozen=True)
class Morphometry:
    """One row of the table, mm and degrees; see its ``source`` and ``status`` columns.

    C1 has no body: the dens and its ligaments stand in, so that y = -body_depth / 2 is the
    front of the canal at every level; its lateral masses stand in for pedicles.
    Columns about discs, foramina and roots describe what lies below the vertebra; they are
    0 for S1.
    """

    level: Level
    body_height: float
    body_width: float
    body_depth: float
    disc_height_below: float
    canal_width: float
    canal_depth: float
    pedicle_height: float
    pedicle_width: float
    foramen_width: float
    foramen_height_table: float
    dural_sac_diameter: float
    dural_sac_ratio: float
    root_sleeve_diameter: float
    root_obliquity_deg: float
    root_forward_deg: float
    root_offset_fraction: float
    lamina_thickness: float
    spinous_length: float
    spinous_tilt_deg: float
    transverse_length: float
    segment_angle_deg: float


_COLUMNS = {
    "body_height": "body_height_posterior",
    "foramen_height_table": "foramen_height",
    "root_sleeve_diameter": "nerve_root_sleeve_diameter",
    "segment_angle_deg": "segment_angle_supine_deg",
}
"""Fields whose column has another name; the others share it."""


def load_morphometry() -> dict[Level, Morphometry]:
    """Read the table; every vertebra C1..S1 has one row."""
    text = files("geometry").joinpath("data/vertebral_morphometry.csv").read_text("utf-8")
    table: dict[Level, Morphometry] = {}
    for row in csv.DictReader(text.splitlines()):
        level = Level[row["level"]]
        numbers = {
            name: float(row[_COLUMNS.get(name, name)] or 0.0)
            for name in Morphometry.__dataclass_fields__
            if name != "level"
        }
        table[level] = Morphometry(level=level, **numbers)
    missing = [level.name for level in VERTEBRAE if level not in table]
    if missing:
        raise GeometryError(f"vertebral_morphometry.csv: no row for {', '.join(missing)}")
    return table
