"""What the operator's rules do in a run, and how a run accounts for it."""

import numpy as np
import pytest

from castsim.injection import Watch
from castsim.protocol import Pause, Rule, RuleAction, RuleKind, Step


def watched(mesh, azygos):
    flags = np.zeros(mesh.n_cells, dtype=bool)
    flags[azygos] = True
    return Watch(
        flags,
        np.zeros(mesh.n_cells),
        np.full(mesh.n_cells, 1.0),
        route=np.arange(mesh.n_cells),
        route_length=np.full(mesh.n_cells, 0.5),
    )


@pytest.fixture
def line(tube):
    return tube(40, length=20.0, radius=0.5)


def test_a_stop_at_azygos_reflux_lets_the_hub_discharge(fluid, push, line):
    """The thumb lets go at the threshold; what the hub stored still comes out."""
    source = {"resistance": 500.0, "compliance": 2e-3, "pressure_limit": 1e6}
    volume = 12.0
    rule = Rule(RuleKind.AZYGOS_REFLUX, 1.0)
    steps = (Step(volume, 1.0),)
    run = push(
        line, fluid(), steps=steps, rules=(rule,), source=source, watch=watched(line, slice(10, 40))
    )
    entered = line.cell_volume[:10].sum() + 1.0
    assert run.stop_reason == "rule: azygos_reflux"
    # stored at the threshold: C times the pressure that drives 1 mm3/s
    assert run.injected == pytest.approx(entered + 2e-3 * 500.0, rel=0.05)
    assert run.stored < 0.02 * 2e-3 * 500.0


def test_a_rule_met_while_the_hub_discharges_does_not_cut_it_short(fluid, push, line):
    source = {"resistance": 500.0, "compliance": 2e-3, "pressure_limit": 1e6}
    plain = push(line, fluid(), steps=(Step(10.0, 1.0),), source=source)
    late = Rule(RuleKind.CATHETER_REFLUX, 0.5 * int(9.5 / line.cell_volume[0]))
    ruled = push(
        line,
        fluid(),
        steps=(Step(10.0, 1.0),),
        rules=(late,),
        source=source,
        watch=watched(line, slice(39, 40)),
    )
    assert ruled.stop_reason == "rule: catheter_reflux"
    assert ruled.injected == pytest.approx(plain.injected, rel=1e-12)


@pytest.mark.parametrize("times", [1, 3])
def test_pauses_are_taken_and_counted_anew(fluid, push, line, times):
    """Each pause lasts its time; the next one needs the threshold once more."""
    rule = Rule(RuleKind.CATHETER_REFLUX, 2.0, action=RuleAction.PAUSE, pause=7.0, times=times)
    run = push(
        line, fluid(), steps=(Step(10.0, 1.0),), rules=(rule,), watch=watched(line, slice(39, 40))
    )
    assert run.duration == pytest.approx(10.0 + 7.0 * times)
    assert run.longest_pause == pytest.approx(7.0)
    assert run.injected == pytest.approx(10.0)


def test_a_pause_rule_met_in_a_planned_pause_waits_for_the_push(fluid, push, line):
    rule = Rule(RuleKind.CATHETER_REFLUX, 0.0, action=RuleAction.PAUSE, pause=5.0, times=1)
    steps = (Step(2.0, 1.0), Pause(30.0), Step(2.0, 1.0))
    run = push(line, fluid(), steps=steps, rules=(rule,), watch=watched(line, slice(39, 40)))
    assert run.duration == pytest.approx(4.0 + 30.0 + 5.0)


def test_agent_at_a_port_makes_a_run_truncated(fluid, push, line):
    flags = np.zeros(line.n_cells, dtype=bool)
    for cell, truncated in ((3, True), (39, False)):
        watch = Watch(flags, np.zeros(line.n_cells), np.ones(line.n_cells), ports=np.array([cell]))
        assert push(line, fluid(), volume=5.0, watch=watch).truncated is truncated


def test_azygos_counts_what_passes_through(fluid, push, line):
    """Agent that leaves by a terminal of the azygos system entered it all the same."""
    run = push(line, fluid(), volume=25.0, watch=watched(line, slice(30, 40)))
    assert run.terminal > 0
    assert run.log["azygos"][-1] == pytest.approx(25.0 - line.cell_volume[:30].sum())
