"""A vessel with an inflated balloon, across a side branch or not (Okada 2018, placentas)."""

from types import SimpleNamespace

import numpy as np

from castsim.ensembles.sampling import Draw
from castsim.injection import inject
from castsim.physiology import Physiology
from castsim.protocol import Protocol, Step
from castsim.scenario_file import load_scenario
from castsim.simulate import with_balloon
from castsim.units import uL_s_from_mL_min
from tests.validation.pipes import Pipes, condition, source

SCENARIO = "right-t9-balloon"
AGENT = "Onyx 18"
CALIBRE_MM = 1.0, 3.0
SIDE_SHARE = 0.4, 1.0
"""Of the vessel's calibre: not told."""
LENGTH_MM, BED_MM, BED_LENGTH_MM = 30.0, 0.5, 30.0
"""Of the vessel on both sides of the tip, of its side branch, and of the bed beyond: estimates."""
VOLUME_UL, RATE_ML_MIN = 150.0, 0.16


def past_balloon(number: int, *, side: bool = False) -> float:
    """Agent that gets past the balloon, or into a side branch under it, uL."""
    draw, agents = condition((AGENT,), number)
    scenario = load_scenario(SCENARIO).resolved()
    catheter, agent, blood = scenario.catheter_model(), agents[AGENT], Physiology.default()
    calibre, branch_calibre = _calibres(draw)
    pipes = Pipes()
    tip = pipes.cell(calibre, calibre)
    behind = pipes.pipe(tip, calibre, LENGTH_MM, gap=(calibre - catheter.outer_diameter) / 2)
    ahead = pipes.pipe(tip, calibre, LENGTH_MM)
    # a fine vessel at the far end stands for the bed that the agent is meant for
    bed = pipes.pipe(ahead[-1], BED_MM, BED_LENGTH_MM)
    route = np.array([tip, *behind])
    arc = np.linspace(0.0, LENGTH_MM, len(route))
    near = scenario.catheter.balloon.distance_mm
    branch: list[int] = []
    if side:
        under = int(np.abs(arc - near - catheter.balloon_length / 2).argmin())
        branch = pipes.pipe(int(route[under]), branch_calibre, LENGTH_MM)
    ends = [bed[-1], behind[-1], *branch[-1:]]
    centroid = np.zeros((len(pipes.volume), 3))
    centroid[route, 0] = -arc
    mesh = pipes.mesh(ends, [0.0] * len(ends), cell_centroid=centroid)
    run = inject(
        with_balloon(SimpleNamespace(flow=mesh, route_cells=route), scenario),
        agent,
        source(catheter, agent, tip),
        Protocol((Step(VOLUME_UL, uL_s_from_mL_min(RATE_ML_MIN)),)),
        blood_viscosity=blood.blood_viscosity_Pa_s,
        blood_density=blood.blood_density,
        seed=draw.gate_seed,
    )
    past = [*route[arc > near], *branch]
    return float(run.state.agent_volume[past].sum() + run.state.terminal_out[1:].sum())


def past_balloon_across(number: int) -> float:
    """The same of a balloon that lies across a side branch."""
    return past_balloon(number, side=True)


def _calibres(draw: Draw) -> tuple[float, float]:
    rng = np.random.default_rng(draw.patient_seed)
    calibre = rng.uniform(*CALIBRE_MM)
    return calibre, calibre * rng.uniform(*SIDE_SHARE)
