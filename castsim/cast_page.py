"""The report of one cast: a page that asks nothing of the network, and prints well."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from castsim import cast_plots as plots
from castsim.agents import agent_prior, agent_source
from castsim.cord import VEINS, cord_words, reported_elsewhere_mL, reported_towards_cord_mL
from castsim.ensembles.plan_report import LAYERING, NOT_MODELLED, meaning
from castsim.ensembles.priors import Prior, bundled_priors
from castsim.ensembles.summary import VALIDATION
from castsim.ensembles.targets import Targets
from castsim.pages import parts
from castsim.pages.parts import number
from castsim.scenario import MODEL_FIELDS
from castsim.units import LEAST_ML, little
from geometry.structures import Structure

if TYPE_CHECKING:
    from castsim.cast_reading import SavedCast
    from castsim.drawn import DrawnCast

CHART_IN = (4.2, 2.9)
WIDE_IN = (8.8, 2.8)
ONE_DRAW = (
    "This is one run: one patient and one draw from what may happen. How sure it is, and how much "
    "to inject, “castsim plan” says."
)
GROUPS = {one.label: one.compartment.value for one in Structure} | dict.fromkeys(
    VEINS, "to the cord, not drawn"
)
"""Vein → compartment, by which pictures colour it."""
SHADOWS = (
    "Simulated X-rays with the size and noise of a C-arm; bones are subtracted. Other views, and "
    "bones: castsim fluoro."
)
NOT_OF_A_RUN = "The operator's eyes"
"""What plans leave out and a run does not: it obeys the rules of its scenario."""


@dataclass(frozen=True)
class Photograph:
    """A picture of the cast.

    Attributes
    ----------
    jpeg : the file
    alt : what it shows, for those who do not see it
    below : caption
    """

    jpeg: bytes
    alt: str
    below: str


@dataclass(frozen=True)
class Photographs:
    """Pictures of a report; none where nothing could be drawn.

    Attributes
    ----------
    large : at the injected volume
    growing : at rising volumes
    missing : why there are none
    shadows : as a C-arm would show it
    """

    large: Sequence[Photograph] = ()
    growing: Sequence[Photograph] = ()
    missing: str = ""
    shadows: Sequence[Photograph] = ()


def cast_page(saved: "SavedCast[DrawnCast]", pictures: Photographs) -> str:
    """Text of ``report.html``."""
    scenario = saved.report["scenario"]
    return parts.page(f"Cast: {_title(scenario)}", _body(saved, pictures))


def _title(scenario: Mapping[str, Any]) -> str:
    return str(scenario["title"] or scenario["name"])


def _body(saved: "SavedCast[DrawnCast]", pictures: Photographs) -> Iterator[str]:
    report = saved.report
    scenario = report["scenario"]
    yield f"<h1>{escape(_title(scenario))}</h1>"
    yield (
        f'<p class="soft">Simulated injection of {escape(scenario["agent"])} through a '
        f"{escape(scenario['catheter']['name'])} into a {escape(_patient(scenario))}, "
        f"{_mesh(scenario['mesh'])}; seed {report['seed']}, castsim "
        f"{escape(report['version'])}.</p>"
    )
    warnings = (*report["warnings"], *_cut_short(report))
    yield parts.paragraphs((f"{one[:1].upper()}{one[1:]}." for one in warnings), "warn")
    yield parts.paragraphs(summary(report), "first")
    yield parts.paragraphs((ONE_DRAW, VALIDATION), "soft")
    yield from _pictures(pictures)
    yield from _curves(saved)
    yield from _pressure(saved)
    yield from _structures(report)
    yield from _assumptions(saved)


def summary(report: Mapping[str, Any]) -> Iterator[str]:
    """What is read first: coverage, reflux, what was lost, and how it ended."""
    cover, back = report["coverage"], report["reflux"]
    target = report["scenario"]["target"]
    yield (
        f"{report['injected_mL']:.2f} mL wrap {cover['deg']:.0f}° of the {target['side']} "
        f"{target['level']} root; {cover['coverable_deg']:.0f}° can be wrapped at best."
    )
    medial, middle, lateral = cover["stations"]
    yield (
        "It counts as wrapped on a side where agent lies against it anywhere along the foramen. In "
        f"the medial, middle and lateral third by itself: {medial:.0f}°, {middle:.0f}°, "
        f"{lateral:.0f}°; what one third lacks another may have. Foramina in which agent fills a "
        f"vein: {', '.join(report['foramina_touched']) or 'none'}."
    )
    if back["first_azygos_mL"] is None:
        unseen = f"; {back['azygos_mL']:.3f} mL do unseen" if back["azygos_mL"] >= LEAST_ML else ""
        yield f"No agent is seen to enter the azygos system{unseen}."
    else:
        yield (
            f"Agent enters the azygos system: it would be seen from {back['first_azygos_mL']:.2f} "
            f"mL on ({back['first_azygos_s']:.0f} s); {little(back['azygos_mL'])} mL in all."
        )
    yield (
        f"{report['cast_mL']:.2f} mL stay in the veins, {little(report['embolised_mL'])} mL left "
        "with the blood towards the lungs (azygos system, neck veins, then the heart). Towards the "
        f"spinal cord: {cord_words(*reported_towards_cord_mL(report))}.{_elsewhere(report)} Along "
        f"the catheter agent comes back {back['catheter_mm']:.1f} mm."
    )
    pressure = report["tip_pressure_mmHg"]
    yield (
        f"The tip's pressure is {pressure['max']:.0f} mmHg at most, {pressure['final']:.0f} at the "
        f"end. After {report['duration_s']:.0f} s it ends: {report['stop_reason']}."
    )


def _elsewhere(report: Mapping[str, Any]) -> str:
    left = reported_elsewhere_mL(report)
    return f" {left:.3f} mL left the model by other ends of veins." if left >= LEAST_ML else ""


def _patient(scenario: Mapping[str, Any]) -> str:
    patient = scenario["patient"]
    kind = {"typical": "patient of the commonest anatomy", "drawn": "random patient"}
    seed = f" (seed {patient['seed']})" if patient["anatomy"] == "drawn" else ""
    return f"{kind.get(patient['anatomy'], patient['anatomy'])}{seed}, {patient['position']}"


def _mesh(mesh: Mapping[str, Any]) -> str:
    if mesh["kind"] == "voxel":
        return f"wide veins near the target as cubes of {mesh['spacing_mm']:g} mm"
    return "each vein filling as a whole"


def _cut_short(report: Mapping[str, Any]) -> Iterator[str]:
    if report["truncated"]:
        yield (
            "agent reached the edge of the simulated window: volumes are uncertain; raise "
            "mesh.window_levels"
        )


def _pictures(pictures: Photographs) -> Iterator[str]:
    yield "<h2>The cast</h2>"
    yield parts.paragraphs([pictures.missing] if pictures.missing else (), "warn")
    if pictures.large:
        for one in pictures.large:
            yield parts.photograph(one.jpeg, alt=one.alt, below=one.below, wide=True)
    if pictures.shadows:
        yield "<h3>As fluoroscopy would show it</h3>"
        yield f'<p class="soft">{SHADOWS}</p>'
        yield from _beside_each_other(pictures.shadows, "pair", wide=True)
    if pictures.growing:
        yield "<h3>How it grows</h3>"
        yield from _beside_each_other(pictures.growing, f"small by{columns(len(pictures.growing))}")


def _beside_each_other(
    pictures: Sequence[Photograph], kind: str, *, wide: bool = False
) -> Iterator[str]:
    shown = (
        parts.photograph(one.jpeg, alt=one.alt, below=one.below, wide=wide) for one in pictures
    )
    yield f'<div class="charts {kind}">{"".join(shown)}</div>'


def columns(count: int) -> int:
    """Pictures a row, so that the last row is as full as the others or nearly so.

    >>> [columns(count) for count in range(1, 9)]
    [4, 4, 4, 4, 5, 3, 4, 4]
    """
    return {5: 5, 6: 3}.get(count, 4)


def _curves(saved: "SavedCast[DrawnCast]") -> Iterator[str]:
    read, targets = plots.curves(saved.cast), Targets.default()
    coverable = saved.report["coverage"]["coverable_deg"]
    yield "<h2>Dose and response</h2>"
    yield '<div class="charts">'
    yield parts.panel(
        partial(
            plots.coverage, read=read, coverable_deg=coverable, wanted_deg=targets.coverage_deg
        ),
        CHART_IN,
        name="coverage",
        title="Coverage of the root against injected volume",
        below=f"Grey: what can be wrapped at best. Dotted: {targets.coverage_deg:.0f}°, from which "
        "on the root counts as covered.",
    )
    yield parts.panel(
        partial(plots.contents, read=read),
        CHART_IN,
        name="contents",
        title="Agent in each compartment against injected volume",
        below="Agent in the veins of each compartment, and what left with the blood towards the "
        "lungs or went towards the spinal cord.",
    )
    yield parts.panel(
        partial(plots.reflux, read=read, tolerated_mL=targets.azygos_mL),
        CHART_IN,
        name="reflux",
        title="Azygos reflux against injected volume",
        below="All that has entered the azygos system, whether it stayed or not. Dotted: "
        f"{number(targets.azygos_mL)} mL, which fluoroscopy shows.",
    )
    yield "</div>"


def _pressure(saved: "SavedCast[DrawnCast]") -> Iterator[str]:
    cast = saved.cast
    began = float(cast.log["time"][0])
    rests, broken = plots.pauses(cast), len(plots.breakthroughs(cast))
    told = f"{broken} breakthrough{'' if broken == 1 else 's'} (orange marks)" if broken else ""
    rest = f"{len(rests)} pause{'' if len(rests) == 1 else 's'} (grey)" if rests else ""
    found = " and ".join(text for text in (rest, told) if text) or "no pause, no breakthrough"
    yield "<h2>Pressure over time</h2>"
    yield parts.panel(
        partial(plots.pressure, cast=cast),
        WIDE_IN,
        name="pressure",
        title="Pressure at the tip against time",
        below=f"Time counts from the first push on the syringe. Until {began:.0f} s only "
        "solvent that fills the catheter leaves the tip, and no pressure is computed. "
        f"{found[0].upper()}{found[1:]}. A breakthrough is a front that gives way: the "
        f"pressure falls at once, by {plots.BREAK_SHARE:.0%} and "
        f"{number(plots.BREAK_LEAST_MMHG)} mmHg or more. What stands in a cast that is closed all "
        "round after the push, no balance tells.",
        wide=True,
    )


def _structures(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Veins that hold agent</h2>"
    rows = sorted(report["structures"], key=lambda one: -one["volume_mL"])
    yield parts.table(
        ("Vein", "in pictures", "agent (mL)", "filled", "reach (mm)"),
        (
            (
                escape(f"{one['structure'].replace('_', ' ')} {one['level']} {one['side']}"),
                GROUPS[one["structure"]].replace("_", " "),
                f"{one['volume_mL']:.3f}",
                f"{one['filled_fraction']:.0%}",
                f"{one['reach_mm']:.0f}",
            )
            for one in rows
        ),
        kind="veins",
        caption="Reach: way along the vein from where agent first came into it, or into that piece "
        "of it, to the farthest.",
    )


def _assumptions(saved: "SavedCast[DrawnCast]") -> Iterator[str]:
    yield "<h2>Assumptions</h2>"
    yield (
        "<p>What this run took for true, and within what it may lie (95 %). “estimate” means that "
        "nobody has measured it.</p>"
    )
    scenario = saved.cast.scenario.model_dump(mode="json")
    groups: dict[str, list[tuple[str, ...]]] = {}
    for prior in bundled_priors():
        if not prior.relative and (row := _assumption(prior, scenario)) is not None:
            groups.setdefault(prior.group, []).append(row)
    for group, rows in groups.items():
        yield f"<h3>{escape(group.capitalize())}</h3>"
        yield parts.table(("Quantity", "Here", "Range", "Source"), rows, kind="cards values")
    yield "<h2>What is not modelled</h2>"
    everywhere = (text for text in NOT_MODELLED if not text.startswith(NOT_OF_A_RUN))
    left_out = (LAYERING[saved.report["scenario"]["mesh"]["kind"]], *everywhere)
    yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in left_out)}</ul>"


def _assumption(prior: Prior, scenario: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Quantity, value here, range and source; None: this patient has no such field."""
    section, _, key = prior.field.partition(".")
    value = scenario[section][key]
    if value is None:
        return None
    source, status = prior.source, str(prior.status)
    if prior.distribution == "agent":
        agent, quantity = scenario["agent"], MODEL_FIELDS[key][0]
        prior = prior.of_agent(agent_prior(agent, quantity))
        source, status = agent_source(agent, quantity)
    unit = parts.unit_after(prior.unit)
    low, high = prior.low, prior.high
    within = "" if low is None or high is None else f"{number(low)} to {number(high)}{unit}"
    return (
        f"{escape(meaning(prior.field))}<br>{parts.field_name(prior.field)}",
        escape(f"{number(float(value))}{unit}"),
        escape(within),
        f'<span class="tag">{escape(status)}</span> {escape(source)}',
    )
