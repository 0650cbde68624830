"""Where every microlitre went, and that a run which loses one says so."""

from dataclasses import replace

import numpy as np
import pytest

from castsim.errors import SolverError
from castsim.protocol import Pause, Step
from geometry.flowmesh import FlowMesh

SUBJECT = "Balance"
BOUND = "castsim.injection.BALANCE_BOUND"


@pytest.fixture
def everything(fluid, push):
    """Swept agent, two open ends, a pause, a compliant hub with dead space, unequal cells."""
    rng = np.random.default_rng(2)
    n = 24
    mesh = FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.2, 1.5, n),
        cell_radius=rng.uniform(0.3, 1.0, n),
        face_owner=[*range(n - 1), 0, 6],
        face_neighbour=[*range(1, n), 12, 20],
        terminal_cell=[n - 1, 12],
        terminal_pressure=0.0,
        terminal_resistance=10.0,
    )
    rest_flow = np.zeros(n)
    rest_flow[2] = 500.0
    return push(
        mesh,
        fluid(sweep_ratio=300.0, diffusivity=1e-5, tension=0.5, disorder=0.5),
        steps=(Step(9.0, 0.5), Pause(5.0), Step(8.0, 0.8)),
        source={"compliance": 1e-4, "resistance": 500.0, "dead_space": 3.0},
        rest_flow=rest_flow,
        seed=4,
    )


def test_everything_that_was_injected_is_somewhere(everything, verdict):
    state = everything.state
    swept, gone = state.swept.sum() + state.torn.sum(), state.terminal_out.sum()
    assert min(swept, gone) > 0.5
    told = state.agent_volume.sum() + swept + gone
    what = "injected, mm3"
    source = "cast + left towards the lungs + out by terminals, cell by cell"
    verdict(SUBJECT, what, everything.injected, told, source=source, rtol=1e-9)
    verdict(
        SUBJECT,
        "logged as injected, mm3",
        everything.log["volume"][-1],
        told,
        source=source,
        rtol=1e-9,
    )
    full = state.full == 1
    what = "agent in full cells over their volume"
    share = state.agent_volume[full] / everything.graph.volume[full]
    verdict(SUBJECT, what, share, 1.0, source="full", atol=0.0)
    assert (state.agent_volume[~full] < everything.graph.volume[~full]).all()
    assert (state.agent_volume >= 0).all()
    # 3 of solvent, 3 of agent left in the catheter
    told = everything.injected + 6.0 + everything.stored
    source = "injected + solvent + left in the catheter + stored"
    verdict(
        SUBJECT, "pushed at the syringe, mm3", everything.syringe, told, source=source, rtol=1e-9
    )


def test_a_loss_shows(everything, verdict):
    """A run that had put out a thousandth more than is found: the error is that thousandth."""
    lossy = replace(everything, injected=1.001 * everything.injected)
    what = "balance error of a run that lost a thousandth"
    verdict(SUBJECT, what, lossy.balance_error, 1 - 1 / 1.001, source="definition", rtol=1e-6)


def test_a_broken_balance_is_an_error(fluid, tube, push, monkeypatch):
    """No run passes a bound below zero: the check is made, and raises."""
    monkeypatch.setattr(BOUND, -1.0)
    with pytest.raises(SolverError, match="volume balance broken"):
        push(tube(5, length=5.0), fluid(), 3.0, 1.0)
