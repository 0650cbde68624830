"""What a picture shows besides target root, tip and cast."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from castsim.naming import match_name
from geometry.structures import Compartment, Structure

HIDDEN = (Compartment.GREAT, Compartment.HAZARD)
WIDE = (Structure.INTERNAL_JUGULAR,)
"""Veins as wide as a vertebra would fill the picture; the hazard is a name, not a sight."""
VEINS = "veins"
"""All that are usually shown."""
EXTRAS = ("bone", "dural sac", "other roots", "catheter", "balloon")
"""What can be left out besides veins; root, tip and cast are always there."""


@dataclass(frozen=True)
class Shown:
    """What a picture shows besides target root, tip and cast.

    Attributes
    ----------
    structures : veins
    extras : of `EXTRAS`
    """

    structures: frozenset[Structure]
    extras: frozenset[str] = frozenset(EXTRAS)

    @classmethod
    def usual(cls) -> "Shown":
        """All but great veins and hazards."""
        return cls(frozenset(s for s in Structure if s.compartment not in HIDDEN and s not in WIDE))

    @classmethod
    def named(cls, names: Iterable[str]) -> "Shown":
        """Only what is named: structures, compartments, `VEINS`, or `EXTRAS`.

        A word "vein" or "veins" behind a name, as in legends, means nothing.

        Raises
        ------
        ScenarioError
            If a name is unknown.
        """
        groups = {one.value: [s for s in Structure if s.compartment is one] for one in Compartment}
        # a vein that bears the name of its compartment is in it
        known = {**{s.label: [s] for s in Structure}, **groups, VEINS: list(cls.usual().structures)}
        structures: set[Structure] = set()
        extras: set[str] = set()
        for given in names:
            words = given.replace("_", " ").strip()
            words = re.sub(r"(?<=\S) veins?$", "", words) if words not in _spoken(known) else words
            name = match_name(words, _spoken([*known, *EXTRAS]), "structure")
            if name in EXTRAS:
                extras.add(name)
            else:
                structures.update(known[name.replace(" ", "_")])
        return cls(frozenset(structures), frozenset(extras))


def _spoken(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.replace("_", " ") for name in names))
