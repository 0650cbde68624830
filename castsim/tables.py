"""The data tables of castsim: CSV files in which every row has a source and a status."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from castsim.errors import CastsimError

Row = dict[str, str]


def read_table(name: str) -> tuple[Row, ...]:
    """Read the rows of ``castsim/data/<name>.csv``, texts as they stand."""
    with (resources.files("castsim") / "data" / f"{name}.csv").open(encoding="utf-8") as lines:
        return tuple(csv.DictReader(lines))


def number(row: Row, column: str, *, table: str) -> float:
    """Read one cell of a table as a finite number."""
    try:
        value = float(row[column])
    except (KeyError, ValueError) as error:
        raise CastsimError(
            f"castsim/data/{table}.csv: no number in column {column}: {row}"
        ) from error
    if not math.isfinite(value):
        raise CastsimError(f"castsim/data/{table}.csv: column {column} must be finite: {row}")
    return value


@dataclass(frozen=True)
class Prior:
    """What is believed about one number: its median and 95 % interval, in the unit given.

    Attributes
    ----------
    median, low, high : in `unit`; low and high bound 95 %
    unit : as written in the table
    source, status : where it is from; seen, recalled, estimate or definition
    """

    median: float
    low: float
    high: float
    unit: str
    source: str
    status: str


@cache
def read_priors(family: str) -> Mapping[str, Prior]:
    """Read the skin, gel, sweeping and syringe parameters of one family of agents.

    Rows of the family ``all`` serve every family that has no row of its own.
    """
    priors: dict[str, Prior] = {}
    for wanted in ("all", family):
        for row in read_table("skin_parameters"):
            if row["family"] == wanted:
                median, low, high = (
                    number(row, column, table="skin_parameters")
                    for column in ("median", "low", "high")
                )
                priors[row["parameter"]] = Prior(
                    median, low, high, row["unit"], row["source"], row["status"]
                )
    return priors
