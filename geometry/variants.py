"""Variant: the anatomical choices of one patient, modal or drawn by prevalence.

To add a variant: a field here, its row in ``data/variants.csv``, and the room that honours it.
"""

import csv
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TypeVar

import numpy as np

from geometry.errors import GeometryError
from geometry.levels import SIDES, VERTEBRAE, Level, Side
from geometry.traits import Traits

LevelSide = tuple[Level, Side]

AZYGOS_SHIFT_SD_MM = 5.0
"""Spread of the azygos about its modal path, from the landmark table (estimate)."""

_SEGMENTAL = tuple(level for level in Level if Level.T1 <= level <= Level.L5)
_SEGMENTS = tuple((level, side) for level in _SEGMENTAL for side in SIDES)
_PAIRS = tuple((level, side) for level, side in _SEGMENTS if level < Level.L5)
"""Upper of two segmental veins that may be joined, and its side."""
_Place = TypeVar("_Place", bound=Hashable)


class AzygosCourse(StrEnum):
    """Where the azygos lies on the bodies."""

    MIDLINE = "midline"
    RIGHT = "right"


class SupremeEnd(StrEnum):
    """Where the supreme intercostal vein (T1) ends."""

    BRACHIOCEPHALIC = "brachiocephalic"
    SUPERIOR_INTERCOSTAL = "superior_intercostal"
    VERTEBRAL = "vertebral"


@dataclass(frozen=True)
class Variant:
    """Choices of one anatomy; sets hold the sides or levels where a thing is present.

    Attributes
    ----------
    azygos_course : modal drift to the midline, or wholly right
    azygos_shift_mm : sideways shift of the whole azygos, + right
    arch_entry : vertebra at whose height the arch opens into the SVC
    hemiazygos_crossing, accessory_crossing : where they cross to the azygos; None: they do not
    supreme_intercostal_right, supreme_intercostal_left : where the T1 vein ends
    arch_valve, left_superior_intercostal_link, hemiazygos_continuity, left_renal_link : present
    vertebral_valves, jugular_valves, condylar : sides that have one
    lumbar_roots : sides whose ascending lumbar vein reaches the azygos or hemiazygos
    ascending_lumbar_interrupted : sides where it is missing at L3 (else thin there)
    strand_probability : of each plexus strand to be there (bond dilution by the rooms)
    intersegmental : levels n and sides whose segmental veins n and n+1 are joined
    usual_links : how many the prevalence in the table joins: the strands that are missing are
        drawn as if there were so many
    segmental_valves : segmental veins with a valve at their mouth
    basivertebral_count : (vertebra, number of basivertebral veins)
    great_radiculomedullary : root and side of the great anterior radiculomedullary vein
    """

    azygos_course: AzygosCourse
    azygos_shift_mm: float
    arch_entry: Level
    hemiazygos_crossing: Level | None
    accessory_crossing: Level | None
    supreme_intercostal_right: SupremeEnd
    supreme_intercostal_left: SupremeEnd
    arch_valve: bool
    left_superior_intercostal_link: bool
    hemiazygos_continuity: bool
    left_renal_link: bool
    vertebral_valves: frozenset[Side]
    jugular_valves: frozenset[Side]
    condylar: frozenset[Side]
    lumbar_roots: frozenset[Side]
    ascending_lumbar_interrupted: frozenset[Side]
    strand_probability: float
    intersegmental: frozenset[LevelSide]
    usual_links: int
    segmental_valves: frozenset[LevelSide]
    basivertebral_count: tuple[tuple[Level, int], ...]
    great_radiculomedullary: LevelSide

    @classmethod
    def modal(cls) -> "Variant":
        """The most frequent choice of each; what is present in more than half is present.

        Every strand is there.
        """
        return _compose(_modal_choice, lambda name: prevalence(name) > 0.5, 0.0, 1.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, traits: Traits | None = None) -> "Variant":
        """Every choice by its prevalence, independently.

        `traits` (all but calibres and leaks) then take the place of what was drawn, so that every
        other choice stays the same. A pair of segmental veins joined at one probability is joined
        at every higher one.
        """
        luck: dict[str, list[float]] = {}

        def choose(name: str) -> str:
            choices = _choices(name)
            weights = np.array([weight for _, weight in choices])
            return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][0]

        def present(name: str) -> bool:
            luck.setdefault(name, []).append(rng.random())
            return luck[name][-1] < prevalence(name)

        shift = float(rng.normal(0.0, AZYGOS_SHIFT_SD_MM))
        drawn = _compose(choose, present, shift, prevalence("strand"))
        return drawn if traits is None else drawn._with(traits, luck["intersegmental"])

    def _with(self, traits: Traits, link_luck: Sequence[float]) -> "Variant":
        """Put traits in the place of what was drawn; `link_luck` is that of :data:`_PAIRS`."""
        variant, probability = self, traits.intersegmental_probability
        if traits.azygos_shift_mm is not None:
            variant = replace(variant, azygos_shift_mm=traits.azygos_shift_mm)
        if traits.strand_probability is not None:
            variant = replace(variant, strand_probability=traits.strand_probability)
        if probability is not None:
            joined = (luck < probability for luck in link_luck)
            variant = replace(variant, intersegmental=_chosen(_PAIRS, joined))
        return variant

    def leaking(self, probability: float, rng: np.random.Generator) -> "Variant":
        """Leave out every valve with this probability: it leaks, and so stops nothing.

        One number is drawn for each place that can have a valve, whether it has one or not: a valve
        that leaks at one probability leaks at every higher one, and no other valve hangs on it.
        """

        def tight(valves: frozenset[_Place], places: Sequence[_Place]) -> frozenset[_Place]:
            holds = rng.random(len(places)) >= probability
            return valves & _chosen(places, holds)

        return replace(
            self,
            arch_valve=bool(rng.random() >= probability) and self.arch_valve,
            vertebral_valves=tight(self.vertebral_valves, SIDES),
            jugular_valves=tight(self.jugular_valves, SIDES),
            segmental_valves=tight(self.segmental_valves, _SEGMENTS),
        )

    def supreme_intercostal(self, side: Side) -> SupremeEnd:
        """Where the supreme intercostal vein of a side ends."""
        right = side is Side.RIGHT
        return self.supreme_intercostal_right if right else self.supreme_intercostal_left

    def basivertebral_veins(self, level: Level) -> int:
        """Number of basivertebral veins of a vertebra."""
        return dict(self.basivertebral_count)[level]


def _compose(
    choose: Callable[[str], str],
    present: Callable[[str], bool],
    azygos_shift_mm: float,
    strand_probability: float,
) -> Variant:
    """Ask for every choice, in a fixed order: the draw depends on it."""

    def level(name: str) -> Level | None:
        choice = choose(name)
        return None if choice == "none" else Level[choice]

    def sides(name: str) -> frozenset[Side]:
        return frozenset(side for side in SIDES if present(f"{name}_{side.name.lower()}"))

    def bonds(name: str, places: Sequence[LevelSide]) -> frozenset[LevelSide]:
        return _chosen(places, (present(name) for _ in places))

    return Variant(
        azygos_course=AzygosCourse(choose("azygos_course")),
        azygos_shift_mm=azygos_shift_mm,
        arch_entry=Level[choose("arch_entry")],
        hemiazygos_crossing=level("hemiazygos_crossing"),
        accessory_crossing=level("accessory_crossing"),
        supreme_intercostal_right=SupremeEnd(choose("supreme_intercostal_right")),
        supreme_intercostal_left=SupremeEnd(choose("supreme_intercostal_left")),
        arch_valve=present("arch_valve"),
        left_superior_intercostal_link=present("left_superior_intercostal_link"),
        hemiazygos_continuity=present("hemiazygos_continuity"),
        left_renal_link=present("left_renal_link"),
        vertebral_valves=sides("vertebral_valve"),
        jugular_valves=sides("jugular_valve"),
        condylar=sides("condylar"),
        lumbar_roots=sides("lumbar_root"),
        ascending_lumbar_interrupted=sides("ascending_lumbar_interrupted"),
        strand_probability=strand_probability,
        intersegmental=(links := bonds("intersegmental", _PAIRS)),
        usual_links=len(links),
        segmental_valves=bonds("segmental_valve", _SEGMENTS),
        basivertebral_count=tuple(
            (at, int(choose("basivertebral_count"))) for at in VERTEBRAE if at is not Level.C1
        ),
        great_radiculomedullary=(
            Level[choose("great_radiculomedullary_root")],
            Side[choose("great_radiculomedullary_side").upper()],
        ),
    )


def _chosen(places: Sequence[_Place], are: Iterable[bool]) -> frozenset[_Place]:
    return frozenset(place for place, is_there in zip(places, are, strict=True) if is_there)


def prevalence(name: str) -> float:
    """Share of patients that have this variant (or of strands that are there)."""
    return dict(_choices(name))["present"]


@cache
def _table() -> dict[str, tuple[tuple[str, float], ...]]:
    text = files("geometry").joinpath("data/variants.csv").read_text("utf-8")
    table: dict[str, list[tuple[str, float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        table.setdefault(row["variant"], []).append((row["choice"], float(row["prevalence"])))
    return {name: tuple(choices) for name, choices in table.items()}


def _choices(name: str) -> tuple[tuple[str, float], ...]:
    if name not in _table():
        raise GeometryError(f"variants.csv: no variant {name!r}")
    return _table()[name]


def _modal_choice(name: str) -> str:
    return max(_choices(name), key=lambda choice: choice[1])[0]
