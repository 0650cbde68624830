"""Targets: what counts as covered, safe and likely in a plan (``data/plan_targets.csv``)."""

from dataclasses import dataclass, fields
from functools import cache

from castsim.errors import CastsimError
from castsim.tables import number, read_table

TABLE = "plan_targets"


@dataclass(frozen=True)
class Targets:
    """When a cast counts as covered and as safe.

    Attributes
    ----------
    coverage_deg : degrees of the root that must be wrapped
    azygos_mL, embolised_mL, hazard_mL : less than this is tolerated
    adjacent_mL : from this on, agent at another level counts as spread
    """

    coverage_deg: float
    azygos_mL: float
    embolised_mL: float
    hazard_mL: float
    adjacent_mL: float

    @classmethod
    def default(cls) -> "Targets":
        """Those of the table."""
        return cls(**{field.name: plan_number(field.name) for field in fields(cls)})


@cache
def plan_number(quantity: str) -> float:
    """Look one number of ``plan_targets.csv`` up."""
    for row in read_table(TABLE):
        if row["quantity"] == quantity:
            return number(row, "value", table=TABLE)
    raise CastsimError(f"castsim/data/{TABLE}.csv: no row {quantity}")
