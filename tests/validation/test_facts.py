"""The tables of facts and criteria hold together, and a verdict is what it is said to be."""

import numpy as np
import pytest

from tests.validation.facts import Target, Verdict, facts, overall, targets
from tests.validation.intervals import Estimate
from tests.validation.page import _read_reasons
from tests.validation.studies import case_mix
from tests.validation.words import band, number

PUBLISHED = (*range(1, 8), 9, 10, 11, 13, 15, 16, 19, *range(21, 30))
ANSWERS = {"runs", "phantom", "geometry", "exact", "input", "none"}
BANDS = {"published", "estimate", "own", "exact"}


def test_every_fact_is_there_with_its_source_and_criteria() -> None:
    assert tuple(fact.number for fact in facts()) == PUBLISHED
    for fact in facts():
        mine = [target for target in targets().values() if target.fact == fact.number]
        assert mine, fact
        assert fact.source
        assert fact.status
        assert fact.published
        unanswered = {target.answer for target in mine} & {"input", "none"}
        assert bool(fact.note) == bool(unanswered), "what is not predicted says why"


def test_bands_can_be_met() -> None:
    for key, target in targets().items():
        assert target.answer in ANSWERS, key
        if target.answer == "input":
            continue
        assert target.low < target.high, key
        assert np.isfinite([target.low, target.high]).any(), key
        assert target.unit, key
        assert target.band in BANDS, key


def test_reasons_are_of_criteria_that_exist() -> None:
    assert set(_read_reasons()) <= set(targets())


def test_case_mix_is_the_published_one() -> None:
    """78 fistulas (Borg 2022); shares in percent as in fact 22."""
    shares = [round(100 * site.share, 1) for site in case_mix()]
    assert shares == [52.6, 14.1, 10.3, 7.7, 7.7, 6.4, 1.3]
    published = next(fact.published for fact in facts() if fact.number == 22)
    assert [share for share in shares if f"{share}" not in published] == []


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((0.5, 0.4, 0.6), Verdict.AGREES),
        ((0.5, 0.3, 0.8), Verdict.AGREES),
        ((0.9, 0.81, 0.95), Verdict.FAILS),
        ((0.1, 0.0, 0.29), Verdict.FAILS),
        ((0.5, 0.2, 0.6), Verdict.CANNOT_TELL),
        ((0.9, 0.7, np.inf), Verdict.CANNOT_TELL),
        ((np.inf, np.inf, np.inf), Verdict.FAILS),
        ((np.nan, np.nan, np.nan), Verdict.CANNOT_TELL),
    ],
)
def test_verdict_goes_by_the_interval(found: tuple[float, ...], verdict: Verdict) -> None:
    target = Target(1, "key", "it", 0.3, 0.8, "mL", "estimate", "runs")
    assert target.verdict(Estimate(*found, runs=10)) is verdict
    assert target.verdict(None) is Verdict.NOT_TESTABLE


def test_a_fact_is_as_good_as_its_worst_criterion() -> None:
    assert overall([Verdict.AGREES, Verdict.NOT_TESTABLE]) is Verdict.NOT_TESTABLE
    assert overall([Verdict.FAILS, Verdict.AGREES, Verdict.CANNOT_TELL]) is Verdict.FAILS
    assert overall([Verdict.INPUT]) is Verdict.INPUT


def test_numbers_in_words() -> None:
    assert [number(x) for x in (0.0, 0.0351, 1.0567, 12.34, 143.2)] == [
        "0",
        "0.035",
        "1.06",
        "12.3",
        "143",
    ]
    assert (number(np.inf), number(np.nan)) == ("never", "–")
    assert [band(*ends) for ends in ((0.3, 0.8), (0.8, 1.0), (0.0, 0.3), (-45.0, np.inf))] == [
        "0.3 to 0.8",
        "≥ 0.8",
        "≤ 0.3",
        "≥ -45",
    ]
