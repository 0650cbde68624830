"""What anatomies and bench experiments say about their criteria."""

from collections.abc import Iterable, Sequence

from tests.validation.anatomy_facts import Hexagon
from tests.validation.facts import Prediction
from tests.validation.honeycomb import FEW, ONYX, PHIL, Honeycombs
from tests.validation.intervals import Estimate, share, spread
from tests.validation.words import middle, percent

PATIENTS, NIDI, VESSELS = "random patients", "honeycombs", "vessels"
LEAST_UL = 1.0
"""What counts as got past: a millimetre of a vessel 1 mm wide."""


def anatomies(
    hexagons: Sequence[Hexagon],
    strands: Sequence[float],
    heights: Sequence[tuple[float, float]],
) -> Iterable[Prediction]:
    """Facts 3, 4 and 7."""
    parts = (
        f"{name} {percent(share([getattr(one, name) for one in hexagons]))}"
        for name in ("columns", "rings", "voids")
    )
    posterior = percent(share([one.posterior for one in hexagons]))
    note = f"{', '.join(parts)}; posterior columns unbroken as well: {posterior}"
    yield Prediction("columns", PATIENTS, share([one.whole for one in hexagons]), note)
    most = max(strands)
    yield Prediction(
        "single_tube",
        "right T9, random patients",
        Estimate(most, most, most, len(strands)),
        f"the largest of all patients; median {middle(strands)}",
    )
    down, up = (middle([pair[k] for pair in heights]) for k in (0, 1))
    note = (
        "plexus cut out at T7 and T11, 1 mmHg across it either way, tip in the column at T9: mean "
        f"height of the agent over the tip {down} and {up} mm (medians)"
    )
    turned = share([below < 0.0 < above for below, above in heights])
    yield Prediction("reversal", PATIENTS, turned, note)


def honeycombs(found: Sequence[Honeycombs]) -> Iterable[Prediction]:
    """Facts 10 and 13; intervals are what 95 % of all honeycombs that may have been meant say."""
    shut = [two - one for one, two in (nidus.extent for nidus in found)]
    open_, closed = (middle([one.extent[k] for one in found]) for k in (0, 1))
    note = f"filled: medians {open_} and {closed} (PHIL 25)"
    yield Prediction("extent_gain", NIDI, spread(shut), note)
    for key, agent in (("pause_phil", PHIL), ("pause_onyx", ONYX)):
        counts = [nidus.filled[agent] for nidus in found if nidus.filled[agent][0] >= FEW]
        lost = [1 - longer / shorter for shorter, longer in counts]
        shorter, longer = (middle([one[k] for one in counts]) for k in (0, 1))
        note = (
            f"sections filled: medians {shorter} and {longer} of 28; in "
            f"{len(found) - len(counts)} of {len(found)} blood leaves fewer than {FEW}"
        )
        yield Prediction(key, NIDI, spread(lost), note)


def bifurcation(plain: Sequence[float], across: Sequence[float]) -> Prediction:
    """Fact 11."""
    without = percent(share([past > LEAST_UL for past in plain]))
    note = f"without a side branch {without}, so that no ratio can be formed"
    return Prediction("bifurcation", VESSELS, share([past > LEAST_UL for past in across]), note)
