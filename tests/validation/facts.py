"""Published facts, what counts as agreement with each, and the verdict on a prediction.

``facts.csv`` holds one row a fact, ``targets.csv`` one row a criterion: its band, and whether the
band is published, an engineering estimate, this project's own, or an exact answer.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np

from tests.validation.intervals import Estimate

FOLDER = Path(__file__).parent


class Verdict(IntEnum):
    """From best to worst."""

    INPUT = 0
    AGREES = 1
    NOT_TESTABLE = 2
    CANNOT_TELL = 3
    FAILS = 4

    def __str__(self) -> str:
        text = self.name.lower().replace("_", " ")
        return f"**{text}**" if self is Verdict.FAILS else text


@dataclass(frozen=True)
class Fact:
    """What is published; `note` says why it is an input or cannot be tested."""

    number: int
    title: str
    published: str
    source: str
    status: str
    note: str


@dataclass(frozen=True)
class Target:
    """One criterion of a fact.

    Attributes
    ----------
    fact : number of the fact
    key : unique
    says : the quantity
    low, high : band that counts as agreement
    unit : of the quantity and its band
    band : published, estimate (engineering estimate), own (this project's) or exact
    answer : where the prediction comes from; ``none`` and ``input``: there is none
    """

    fact: int
    key: str
    says: str
    low: float
    high: float
    unit: str
    band: str
    answer: str

    def verdict(self, found: Estimate | None) -> Verdict:
        """Whether the interval lies in the band, outside it, or across its edge."""
        if self.answer == "input":
            return Verdict.INPUT
        if self.answer == "none" or found is None:
            return Verdict.NOT_TESTABLE
        if np.isnan(found.value) or np.isnan(found.low) or np.isnan(found.high):
            return Verdict.CANNOT_TELL
        if self.low <= found.low and found.high <= self.high:
            return Verdict.AGREES
        return (
            Verdict.FAILS
            if found.high < self.low or found.low > self.high
            else (Verdict.CANNOT_TELL)
        )


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one criterion in one population, and what else is worth saying."""

    key: str
    population: str
    estimate: Estimate
    note: str = ""


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Verdict on a fact: the worst of its criteria that could be tested."""
    return max(verdicts, default=Verdict.NOT_TESTABLE)


@cache
def facts() -> tuple[Fact, ...]:
    """All facts by number."""
    rows = _rows("facts.csv")
    return tuple(Fact(int(row.pop("fact")), **row) for row in rows)


@cache
def targets() -> dict[str, Target]:
    """Criteria by their keys, in order of the facts."""
    found = {}
    for row in _rows("targets.csv"):
        fact, low, high = int(row.pop("fact")), row.pop("low"), row.pop("high")
        edges = float(low or -np.inf), float(high or np.inf)
        found[row["key"]] = Target(fact, row["key"], row["says"], *edges, *_rest(row))
    return found


def _rest(row: dict[str, str]) -> tuple[str, str, str]:
    return row["unit"], row["band"], row["answer"]


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
