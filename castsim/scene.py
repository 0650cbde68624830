"""What a picture of a cast shows: a list of parts, for pictures and for the web page.

Opaque parts come first, then veils. Both renderers show only the nearest wall of each veil, so
that a plexus of many strands stays light. :mod:`castsim.still` makes the scene of pictures,
:mod:`castsim.light_scene` that of the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from castsim.cord import amount, reported_towards_cord_mL
from castsim.surfaces import Surface
from castsim.units import ROUNDED_ML, little
from geometry.levels import Side
from geometry.network import FloatArray, IntArray

DISCLAIMER = "Research and education, not a medical device"

OBLIQUE_TURN_DEG, OBLIQUE_RISE_DEG = 62.0, 14.0
"""The oblique view: turned from the front to the target's side, and raised."""
LEAST_FACING = 0.3
"""Slant of a veil, as the cosine to the eye, beyond which it gets no denser."""
MARKED = ("cast", "tip")
BEFORE_MARK = 0.35
"""Share of a veil's density that it keeps before these."""


@dataclass(frozen=True)
class Paint:
    """A colour for every vertex of a surface.

    Attributes
    ----------
    index : (v,) of the colour of each vertex
    colours : ``#rrggbb``
    names : of the colours in the legend; none: they are steps of a scale
    """

    index: IntArray
    colours: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One thing in the picture.

    Attributes
    ----------
    name : in the legend
    colour : ``#rrggbb``
    opacity : of its nearest wall seen face on, over everything earlier in the list; a slanted
        wall is denser, 1 - (1 - opacity)^(1 / cosine): Beer's law for a thin sheet
    surface : triangles
    paint : of its vertices, where they differ
    """

    name: str
    colour: str
    opacity: float
    surface: Surface
    paint: Paint | None = None


@dataclass(frozen=True)
class Label:
    """A short text at a place, `xyz` (3,) mm; `alarming`: what nobody may overlook."""

    text: str
    xyz: FloatArray
    alarming: bool = False


@dataclass(frozen=True)
class Reading:
    """What a picture says in numbers of the cast that it shows.

    Attributes
    ----------
    root : name of the target
    volume_mL : agent out of the tip by then
    last_mL : agent out of the tip when it came to the last of the cast: there the scale ends
    covered_deg, coverable_deg : of the root, by then and at best
    arcs : (k, 2) rad, wrapped arcs, 0 cranial, positive towards anterior
    arrival : (k,) when agent came to each, as a share of `last_mL`
    """

    root: str
    volume_mL: float
    last_mL: float
    covered_deg: float
    coverable_deg: float
    arcs: FloatArray
    arrival: FloatArray


@dataclass(frozen=True)
class Scene:
    """Parts, words and the window of one picture.

    Attributes
    ----------
    parts : from what shows through everything to what veils everything
    labels : names of the vertebrae, and where agent goes that it must not
    root : name of the part that is the target root
    target : (3,) mm, middle of the target root in its foramen
    root_axis : (3,) unit vector along that root, outwards
    root_length : mm of it in the foramen
    tip : (3,) mm, of the catheter
    side : of the target root, from which an oblique view looks
    title, facts : heading, and one line of measured results
    frame : (k, 3) mm, points that every view of the whole has to show
    foramen : (j, 3) mm, points that a view along the spine has to show
    reading : numbers beside the picture; None: the facts say enough
    alarm : what nobody may overlook
    """

    parts: tuple[Part, ...]
    labels: tuple[Label, ...]
    root: str
    target: FloatArray
    root_axis: FloatArray
    root_length: float
    tip: FloatArray
    side: Side
    title: str
    facts: str
    frame: FloatArray
    foramen: FloatArray
    reading: Reading | None = None
    alarm: str = ""

    @property
    def n_triangles(self) -> int:
        """Number of triangles of all parts."""
        return sum(part.surface.n_triangles for part in self.parts)


def facts(summary: Mapping[str, Any]) -> str:
    """One line: volume, coverage, reflux, what was lost and why the run ended.

    Examples
    --------
    >>> line = facts(
    ...     {
    ...         "injected_mL": 0.6,
    ...         "cast_mL": 0.5,
    ...         "coverage": {"deg": 290.0, "coverable_deg": 350.0},
    ...         "reflux": {"azygos_mL": 0.0},
    ...         "embolised_mL": 0.1,
    ...         "hazard_mL": 0.0,
    ...         "structures": [],
    ...         "stop_reason": "protocol complete",
    ...     }
    ... )
    >>> line.split(" · ")[0]
    '0.60 mL injected: 0.50 cast, 0.10 to the lungs'
    >>> line.split(" · ")[1:3]
    ['root wrapped 290° of 350°', 'azygos reflux 0.00 mL']
    """
    coverage, (_, beyond) = summary["coverage"], reported_towards_cord_mL(summary)
    words = [
        injected_words(summary["injected_mL"], summary["cast_mL"], summary["embolised_mL"], beyond),
        f"root wrapped {coverage['deg']:.0f}° of {coverage['coverable_deg']:.0f}°",
        f"azygos reflux {little(summary['reflux']['azygos_mL'])} mL",
        str(summary["stop_reason"]).replace("_", " "),
    ]
    return " · ".join(words)


def injected_words(injected_mL: float, cast_mL: float, lungs_mL: float, beyond_mL: float) -> str:
    """Where all that was injected is.

    Examples
    --------
    >>> injected_words(1.0, 0.435, 0.003, 0.562)
    '1.00 mL injected: 0.43 cast, 0.003 to the lungs, 0.562 mL beyond the dura'
    >>> injected_words(1.0, 0.5, 0.2, 0.0)
    '1.00 mL injected: 0.50 cast, 0.20 to the lungs, 0.30 out of the model'
    """
    words = f"{injected_mL:.2f} mL injected: {cast_mL:.2f} cast, {little(lungs_mL)} to the lungs"
    if beyond_mL > 0.0:
        words += f", {amount(beyond_mL)} beyond the dura"
    elsewhere = injected_mL - cast_mL - lungs_mL - beyond_mL
    return f"{words}, {elsewhere:.2f} out of the model" if elsewhere >= ROUNDED_ML else words
