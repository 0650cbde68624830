"""The mechanism itself: what is recorded is what was asserted, and a failure is both."""

import numpy as np
import pytest

from tests.verification.page import merged, outcomes, table
from tests.verification.verdicts import Row, Verdict


@pytest.fixture
def rows():
    return []


@pytest.fixture
def own(rows):
    """A verdict whose rows stay off the page."""
    return Verdict("tests/verification/test_x.py::test_y[1]", rows)


@pytest.mark.parametrize(
    ("computed", "reference", "bound"),
    [
        (1.2, 1.0, {"rtol": 0.1}),
        (-0.2, 0.0, {"atol": 0.1}),
        ([1.0, np.nan], [1.0, 1.0], {"rtol": 0.1}),
        ([np.inf], [1.0], {"atol": 0.1}),
    ],
)
def test_a_miss_fails_and_is_written_down(own, rows, computed, reference, bound):
    with pytest.raises(AssertionError, match="Tube: front, mm"):
        own("Tube", "front, mm", computed, reference, source="piston", **bound)
    assert not rows[0].passed
    assert any("**fails**" in line for line in table(rows))


def test_hits_of_every_kind(own, rows):
    own("A", "a", [1.0, 2.0], [1.0, 2.1], source="s", rtol=0.05)
    own("A", "a", 0.0, 0.0, source="s", atol=0.0)
    own.same("A", "order", [3, 1, 2], [3, 1, 2], source="s")
    own.at_least("A", "slope", [1.9, 2.1], 1.8, source="s")
    own.at_most("A", "error", [1e-9], 1e-8, source="s")
    own.order("A", "time", [4.0, 2.0, 1.0], [16.0, 4.0, 1.0], at_least=1.9, source="s")
    assert all(row.passed for row in rows)
    assert rows[-1].computed == pytest.approx(2.0)


@pytest.mark.parametrize(("got", "exact"), [([1, 2], [2, 1]), ([1], [1, 2]), ([1, 2, 3], [1, 2])])
def test_sequences_differ_in_order_and_length(own, got, exact):
    with pytest.raises(AssertionError):
        own.same("A", "order", got, exact, source="s")


@pytest.mark.parametrize("check", ["at_least", "at_most"])
def test_bounds_can_be_missed(own, check):
    value = {"at_least": 0.9, "at_most": 1.1}[check]
    with pytest.raises(AssertionError):
        getattr(own, check)("A", "q", [1.0, value], 1.0, source="s")
    with pytest.raises(AssertionError):
        getattr(own, check)("A", "q", np.nan, 1.0, source="s")


def test_nothing_to_compare_is_no_success(own):
    with pytest.raises(AssertionError, match="nothing"):
        own("A", "q", [], [], source="s", rtol=1.0)
    with pytest.raises(AssertionError, match="nothing"):
        own.same("A", "q", [], [], source="s")


def test_a_quantity_shows_its_worst_value(own, rows):
    for value in (1.01, 1.04, 0.99):
        own("A", "q", [value, 1.0], 1.0, source="s", rtol=0.05)
    ((worst, count),) = merged(rows)
    assert worst.computed == 1.04
    assert count == 6
    failing = Row("t", "A", "q", float("nan"), 1.0, "s", "relative", float("nan"), 0.05)
    ((worst, _),) = merged([failing, *rows])
    assert worst is failing


def test_what_did_not_pass_is_told(own):
    lines = outcomes({"f.py::a": ("passed", ""), "f.py::b": ("skipped", "no openpnm here")})
    assert "| `f.py` | 1 | 0 | 1 | 0 |" in lines
    assert lines[-1] == "- `f.py::b`: skipped: no openpnm here"
