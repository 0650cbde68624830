"""Columns: what is kept of every run; how it is measured is in outcome.py, which loads more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geometry.structures import Compartment

CONTENTS = {
    "foraminal_mL": (Compartment.FORAMINAL,),
    "epidural_mL": (Compartment.EPIDURAL,),
    "segmental_mL": (Compartment.SEGMENTAL, Compartment.INTERSEGMENTAL),
}
CURVES = (
    "coverage_deg",
    "azygos_mL",
    "embolised_mL",
    "hazard_mL",
    "adjacent_mL",
    "adjacent_levels",
    "basivertebral_mL",
    "beyond_tip_mL",
    "epidural_reach_mm",
    "segmental_reach_mm",
    *CONTENTS,
)
"""What is kept at every volume of the grid.

`adjacent_levels` is how many levels away agent in another level's veins is at most; the reaches are
straight from the target's nearest foraminal vein to the farthest agent in epidural veins, and in
the target's own segmental vein; `beyond_tip_mL` is neither beside the catheter nor in the azygos
system.
"""
FOUND = {
    "foraminal_calibre_mm": "mean calibre of the target's foraminal veins",
    "epidural_calibre_mm": "mean calibre of the epidural veins at the target's level",
    "paraspinal_calibre_mm": "mean calibre of the target's paraspinal part",
    "intersegmental_links": "intersegmental veins from the target's segmental vein to others",
    "segmental_flow_mL_min": "resting flow of the target's segmental vein",
}
"""What the patient turned out to have: not drawn by one prior, but measured on the anatomy."""

KILLED = "KilledWorker: one worker after another died of it"
"""Error of a draw that ended its workers; whether it would elsewhere is not known, so that the next
run tries it again."""


@dataclass(frozen=True)
class Outcome:
    """One run. Volumes in mL of agent out of the tip; `error` is empty when it came to its end.

    A run that is `unreachable` says in `error` what this patient lacks; it has not failed.
    """

    draw: int
    arm: str
    patient_seed: int
    gate_seed: int
    inputs: Mapping[str, float]
    error: str = ""
    unreachable: bool = False
    found: Mapping[str, float] = field(default_factory=dict)
    injected_mL: float = np.nan
    stalled: bool = False
    truncated: bool = False
    coverable_deg: float = np.nan
    max_tip_pressure_mmHg: float = np.nan
    over_pressure_mL: float = np.nan
    catheter_reflux_mm: float = np.nan
    layered_fraction: float = np.nan
    volume_balance_error: float = np.nan
    curves: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
