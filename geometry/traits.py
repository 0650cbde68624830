"""Traits: what a drawn patient is told to have, instead of what the tables would give it."""

import math
from dataclasses import dataclass

from geometry.errors import GeometryError

PROBABILITIES = ("strand_probability", "intersegmental_probability", "valve_incompetence")


@dataclass(frozen=True)
class Traits:
    """Numbers that take the place of drawn or tabulated ones; None leaves them as they are.

    They shift no random number: a patient with other traits is otherwise the same patient.

    Attributes
    ----------
    calibre_factor : factor that all veins share (:data:`geometry.calibres.PATIENT_SD_LN`)
    strand_probability : of each plexus strand to be there (``variants.csv``, ``strand``)
    intersegmental_probability : of two neighbouring segmental veins to be joined
        (``variants.csv``, ``intersegmental``)
    azygos_shift_mm : sideways shift of the whole azygos, mm, + right
    valve_incompetence : probability that a valve that is there leaks, and so is left out; None:
        none leaks. It has no row in ``variants.csv``: how often valves leak when agent pushes
        against them has not been counted, so that it is a prior's to say, not a prevalence
    """

    calibre_factor: float | None = None
    strand_probability: float | None = None
    intersegmental_probability: float | None = None
    azygos_shift_mm: float | None = None
    valve_incompetence: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None:
                continue
            if not math.isfinite(value):
                raise GeometryError(f"traits: {name} = {value} must be finite")
            if name in PROBABILITIES and not 0.0 <= value <= 1.0:
                raise GeometryError(f"traits: {name} = {value} must be from 0 to 1")
        if self.calibre_factor is not None and self.calibre_factor <= 0.0:
            raise GeometryError(f"traits: calibre_factor = {self.calibre_factor} must be > 0")
