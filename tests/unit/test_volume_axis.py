"""Axis of volumes: two even scales, a mark between them, and ticks that cannot be misread."""

import numpy as np
import pytest

from castsim.ensembles.plan_plots import scale_text
from castsim.ensembles.volume_axis import APART, NEAR, focus_of, set_volume_axis
from castsim.pages.figures import figure_of

LARGEST_ML = 2.0


def window(low: float, high: float) -> dict[str, tuple[float, float]]:
    return {"window_mL": (low, high)}


def axes_of(focus_mL: float, largest_mL: float = LARGEST_ML):  # type: ignore[no-untyped-def]
    def draw(figure):  # type: ignore[no-untyped-def]
        set_volume_axis(figure.add_subplot(), focus_mL, largest_mL)

    (axes,) = figure_of(draw, 4.0, 3.0).axes
    return axes


def places(axes, volumes):  # type: ignore[no-untyped-def]
    """Place of each volume along the axis, 0 to 1."""
    xy = np.column_stack([volumes, np.zeros(len(volumes))])
    return axes.transAxes.inverted().transform(axes.transData.transform(xy))[:, 0]


def test_the_focus_holds_every_window_twice() -> None:
    assert focus_of([window(0.1, 0.26)], LARGEST_ML) == 0.6
    assert focus_of([window(0.1, 0.26), None, window(0.3, 0.42)], LARGEST_ML) == 1.0
    assert focus_of([window(0.02, 0.02)], LARGEST_ML) == 0.2


def test_where_a_second_scale_is_not_worth_it_there_is_one() -> None:
    assert focus_of([window(0.3, 0.6)], LARGEST_ML) == LARGEST_ML
    assert focus_of([], LARGEST_ML) == focus_of([None, None], LARGEST_ML) == LARGEST_ML
    assert focus_of([window(0.02, 0.08)], 0.1) == 0.1
    assert scale_text(LARGEST_ML, LARGEST_ML) == ""
    axes = axes_of(LARGEST_ML)
    assert axes.get_xscale() == "linear"
    assert list(axes.get_xticks()) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert len(axes.get_lines()) == 0


@pytest.mark.parametrize("focus", [0.2, 0.4, 0.6, 1.0])
def test_both_scales_are_even_and_meet_at_the_focus(focus: float) -> None:
    axes = axes_of(focus)
    assert axes.get_xlim() == (0.0, LARGEST_ML)
    ends = places(axes, [0.0, focus, LARGEST_ML])
    assert ends == pytest.approx([0.0, NEAR, 1.0])
    for low, high in ((0.0, focus), (focus, LARGEST_ML)):
        steps = np.diff(places(axes, np.linspace(low, high, 9)))
        assert steps == pytest.approx(np.full(8, steps[0]))
    line, strokes = axes.get_lines()
    assert list(line.get_xdata()) == [focus, focus]
    assert np.mean(strokes.get_xdata()) == NEAR
    assert scale_text(focus, LARGEST_ML) == f"The scale of volumes changes at {focus:g} mL (//). "


@pytest.mark.parametrize("largest", [1.0, 1.5, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("focus", [0.2, 0.4, 0.6, 0.8, 1.0])
def test_ticks_are_round_and_apart(focus: float, largest: float) -> None:
    axes = axes_of(focus, max(largest, focus))
    ticks = axes.get_xticks()
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert texts == [f"{tick:g}" for tick in ticks]
    assert all(len(text) <= 4 for text in texts)
    assert ticks[0] == 0.0
    assert focus in ticks
    assert 3 <= len(ticks) <= 10
    assert np.diff(places(axes, ticks)).min() > APART - 1e-9


def test_a_volume_is_found_again_at_its_place() -> None:
    """What a click in an interactive window reads."""
    axes = axes_of(0.4)
    volumes = np.array([-0.1, 0.0, 0.1, 0.399, 0.4, 0.401, 1.0, 2.0, 2.5])
    scale = axes.xaxis.get_transform()
    again = scale.inverted().transform(scale.transform(volumes))
    assert again == pytest.approx(volumes, abs=1e-12)
