"""Anatomy: one patient's skeleton and veins, typical or drawn at random."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geometry.ascending_lumbar import build_ascending_lumbar
from geometry.azygos import build_azygos
from geometry.calibres import Calibres
from geometry.great_veins import build_great_veins
from geometry.joins import Joins
from geometry.neck import build_neck
from geometry.network import NetworkBuilder, VesselNetwork
from geometry.plexus import build_plexuses
from geometry.skeleton import Skeleton
from geometry.traits import Traits
from geometry.trunk import Trunks
from geometry.variants import Variant

Room = Callable[[NetworkBuilder, Skeleton, Calibres, Variant, np.random.Generator, Joins], None]
"""A compartment's builder: adds its branches and nodes, consumes and makes joins."""


def build_trunks(
    builder: NetworkBuilder,
    skeleton: Skeleton,
    calibres: Calibres,
    variant: Variant,
    rng: np.random.Generator,
    joins: Joins,
) -> None:
    """Great veins, neck, azygos system and ascending lumbar veins."""
    trunks = Trunks(builder, skeleton, calibres)
    great = build_great_veins(trunks, variant, joins)
    build_neck(trunks, variant, rng, joins, great)
    build_azygos(trunks, variant, joins, great)
    build_ascending_lumbar(trunks, variant, joins, great)


ROOMS: tuple[Room, ...] = (build_trunks, build_plexuses)
"""All compartments in the order in which they are built."""


@dataclass(frozen=True)
class Anatomy:
    """One patient: bones and roots, veins, the choices made and the seed of the strands."""

    skeleton: Skeleton
    network: VesselNetwork
    variant: Variant
    seed: int

    @classmethod
    def typical(cls, seed: int = 0) -> "Anatomy":
        """Modal anatomy with mean calibres; `seed` moves the strands of the plexuses only."""
        return _assemble(Calibres.typical(), Variant.modal(), seed)

    @classmethod
    def draw(cls, rng: np.random.Generator, traits: Traits | None = None) -> "Anatomy":
        """A random patient: calibres, variants, missing strands and missing links.

        `traits` take the place of what is drawn; all else about the patient stays the same.
        """
        given = traits or Traits()
        seed = int(rng.integers(2**32))
        # the first streams are the rooms' own (see _assemble)
        streams = np.random.default_rng(seed).spawn(len(ROOMS) + 3)
        calibres, choices, leaks = streams[len(ROOMS) :]
        variant = Variant.draw(choices, given).leaking(given.valve_incompetence or 0.0, leaks)
        return _assemble(Calibres.draw(calibres, given.calibre_factor), variant, seed)


def _assemble(calibres: Calibres, variant: Variant, seed: int) -> Anatomy:
    """Build every room, each with a random stream of its own."""
    builder, joins, skeleton = NetworkBuilder(), Joins(), Skeleton.typical()
    streams = np.random.default_rng(seed).spawn(len(ROOMS))
    for room, rng in zip(ROOMS, streams, strict=True):
        room(builder, skeleton, calibres, variant, rng, joins)
    return Anatomy(skeleton, builder.build(), variant, seed)
