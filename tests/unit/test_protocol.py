"""Steps, pauses and rules."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from castsim.errors import ScenarioError
from castsim.protocol import Pause, Protocol, Rule, RuleAction, RuleKind, Step

BAD = [0.0, -1.0, math.nan, math.inf]


def test_one_push_cut_into_pieces_is_one_push() -> None:
    whole = Protocol((Step(300.0, 2.0), Pause(60.0), Step(100.0, 3.0)))
    cut = Protocol((Step(100.0, 2.0), Step(200.0, 2.0), Pause(20.0), Pause(40.0), Step(100.0, 3.0)))
    assert cut == whole


def test_different_rates_stay_apart() -> None:
    assert len(Protocol((Step(1.0, 2.0), Step(1.0, 3.0))).steps) == 2


@given(
    st.lists(
        st.one_of(
            st.builds(Step, st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([1.0, 2.0])),
            st.builds(Pause, st.sampled_from([1.0, 30.0])),
        ),
        min_size=1,
        max_size=12,
    ).filter(lambda steps: any(isinstance(step, Step) for step in steps))
)
def test_merging_keeps_volume_and_time(steps: list[Step | Pause]) -> None:
    merged = Protocol(tuple(steps)).steps

    def volume(parts: list[Step | Pause]) -> float:
        return math.fsum(p.volume for p in parts if isinstance(p, Step))

    def seconds(parts: list[Step | Pause]) -> Fraction:
        return sum(
            (
                Fraction(p.volume) / Fraction(p.rate)
                if isinstance(p, Step)
                else Fraction(p.duration)
                for p in parts
            ),
            Fraction(0),
        )

    assert volume(list(merged)) == volume(steps)
    assert seconds(list(merged)) == seconds(steps)
    for one, next_one in pairwise(merged):
        same_kind = type(one) is type(next_one)
        assert not (same_kind and getattr(one, "rate", 0) == getattr(next_one, "rate", 0))


@pytest.mark.parametrize("value", BAD)
def test_steps_and_pauses_are_positive_and_finite(value: float) -> None:
    for make in (lambda: Step(value, 1.0), lambda: Step(1.0, value), lambda: Pause(value)):
        with pytest.raises(ScenarioError, match="finite"):
            make()


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_thresholds_are_finite(value: float) -> None:
    with pytest.raises(ScenarioError, match="threshold"):
        Rule(RuleKind.TIP_PRESSURE, value)


def test_a_pausing_rule_needs_a_pause() -> None:
    with pytest.raises(ScenarioError, match="pause above 0 s"):
        Rule(RuleKind.CATHETER_REFLUX, 10.0, action=RuleAction.PAUSE)


@pytest.mark.parametrize("steps", [(), (Pause(3.0),)])
def test_something_must_be_injected(steps: tuple[Pause, ...]) -> None:
    with pytest.raises(ScenarioError, match="at least one step"):
        Protocol(steps)


def test_totals() -> None:
    rule = Rule(RuleKind.CATHETER_REFLUX, 10.0, action=RuleAction.PAUSE, pause=90.0)
    protocol = Protocol((Pause(5.0), Step(100.0, 2.0), Pause(60.0), Step(50.0, 4.0)), (rule,))
    assert protocol.volume == 150.0
    assert protocol.first_rate == 2.0
    assert protocol.largest_rate == 4.0
    assert protocol.longest_pause == 90.0
