"""Lengths, fractions and probabilities of the plexuses, from ``data/plexus_layout.csv``."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def plexus_layout() -> Mapping[str, float]:
    """Values by name, in the unit of their row (mm, degrees, fractions, probabilities)."""
    text = files("geometry").joinpath("data/plexus_layout.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return MappingProxyType({row["name"]: float(row["value"]) for row in rows})
