"""What the failing rows hang on: one number at the ends of its prior, all others drawn.

The draws are those of :func:`tests.validation.studies.patients`, so that each case is the same
patients under the same conditions but for that number.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from castsim.agents import agent_prior
from castsim.ensembles.priors import Prior, bundled_priors
from castsim.ensembles.study import Study, load_arm
from castsim.scenario import MODEL_FIELDS
from tests.validation.claims import READ_AT_ML, beyond_tip, covered, seen, volume_to_cover
from tests.validation.intervals import Estimate, ratio, share
from tests.validation.studies import NO_LINKS, Rows, paired, run
from tests.validation.words import middle, number

FIELDS = (
    "model.skin_yield_Pa",
    "model.skin_onset_s",
    "model.disorder",
    "model.diffusivity_mm2_s",
    "model.sweep_ratio",
    "patient.calibre_factor",
    "patient.azygos_outflow_mL_min",
)
DRAWN = "all drawn"
AGENT = "Onyx 18"
ARMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "right-t9": ("right-t9", ()),
    "right-t9 without links": ("right-t9", (NO_LINKS,)),
    "blocked": ("right-t9-balloon", ()),
}
HEADER = (
    "case",
    "foraminal tip: covered of what can be, 1 mL, median",
    "0.9 covered by 2 mL",
    "azygos, 1 mL, median, mL",
    "next level seen",
    "left of it without intersegmental veins",
    "balloon: beyond the tip, median",
)


def cases() -> dict[str, str]:
    """Case → the field that it sets."""
    priors = {prior.field: prior for prior in bundled_priors()}
    found = {}
    for name in FIELDS:
        prior = _of_agent(priors[name])
        for end in (prior.low, prior.high):
            found[f"{name} = {end:g}"] = f"{name}={end}"
    return found


def study() -> Study:
    """All cases as arms."""
    arms = {
        f"{case}: {label}": load_arm(scenario, (*given, field))
        for case, field in cases().items()
        for label, (scenario, given) in ARMS.items()
    }
    return Study(arms, bundled_priors())


def lines(
    drawn: Mapping[str, Rows], draws: int, progress: Callable[[int, int], None] | None = None
) -> list[Sequence[str]]:
    """Rows of the table; the first is of the same draws with nothing held."""
    found = run(study(), "sensitivity", draws, progress)
    table = [_line(DRAWN, {label: _first(drawn[label], draws) for label in ARMS})]
    for case in cases():
        table.append(_line(case, {label: found[f"{case}: {label}"] for label in ARMS}))
    return table


def _line(case: str, arms: Mapping[str, Rows]) -> Sequence[str]:
    rows, bare = paired(arms["right-t9"], arms["right-t9 without links"])
    left = ratio(bare.at("adjacent_mL", READ_AT_ML), rows.at("adjacent_mL", READ_AT_ML))
    rows = arms["right-t9"]
    return (
        case,
        middle(covered(rows)),
        _share(share(np.isfinite(volume_to_cover(rows)))),
        middle(rows.at("azygos_mL", READ_AT_ML)),
        _share(share(seen("adjacent_mL")(rows))),
        f"{number(left.value)} ({number(left.low)}–{number(left.high)})",
        middle(beyond_tip(arms["blocked"])),
    )


def _share(found: Estimate) -> str:
    return f"{number(found.value)} ({number(found.low)}–{number(found.high)})"


def _first(rows: Rows, draws: int) -> Rows:
    return rows.of(rows.draw[rows.draw < draws])


def _of_agent(prior: Prior) -> Prior:
    if prior.distribution != "agent":
        return prior
    return prior.of_agent(agent_prior(AGENT, MODEL_FIELDS[prior.field.partition(".")[2]][0]))
