"""A honeycomb nidus (Vollherbst 2017): what pauses, and a shut outflow, change in it.

What the abstract leaves out (calibres, pressure) is drawn over all that it may have been, with
the agents' parameters from their priors; nothing is fitted. The spread of the answers is that of
the experiments which could have been meant.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from castsim.agents import AgentModel
from castsim.catheters import load_catheter
from castsim.ensembles.sampling import Draw
from castsim.ensembles.targets import Targets
from castsim.injection import Injection, Watch, inject
from castsim.physiology import Physiology
from castsim.protocol import Protocol, Rule, RuleAction, RuleKind, Step
from castsim.units import uL_from_mL, uL_s_from_mL_min
from geometry.flowmesh import FlowMesh
from tests.validation.pipes import Pipes, condition, resting_flow, source

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SECTIONS = (4, 7)
"""28 of them, as in Vollherbst 2017; how they lay is not told: rows and columns of hexagons."""
SECTION_UL = 3.6
"""PHIL used for a filled section, what ran back or on included: a section holds no more."""
VOLUME_UL = 28 * 15.5
"""Onyx used for all sections: nobody injected more."""
CALIBRE_MM = 0.4, 2.0
"""Vessels between sections: not told; less than a section can hold."""
PRESSURE_PA = 10.0, 3000.0
"""Across the nidus: not told; from hardly any flow to what carries all agent off."""
SPREAD_LN = 0.2
"""Of calibres within one nidus: estimate."""
TRUNK_MM, TRUNK_LENGTH_MM = 2.0, 30.0
"""Feeding and draining vessel: estimate."""
FEW = 10
"""Sections that must have filled with the shorter pauses for a loss to be counted."""
RATE_ML_MIN = 0.16
"""Recommended for Onyx (embolic_agents.csv)."""
REFLUX_LIMIT_MM = 10.0
PAUSES = 40
"""More than a session has: the operator goes on until nothing moves or the volume is used up."""
CATHETER = "Headway Duo 167"
"""The 1.3F catheter of that study."""
PAUSES_S = 30.0, 60.0
PHIL, ONYX = "PHIL 25", "Onyx 18"


@dataclass(frozen=True)
class Nidus:
    """A honeycomb between a feeding and a draining trunk.

    Attributes
    ----------
    mesh : trunk, honeycomb, trunk
    route : cells along the catheter, the tip's first
    away : cells of the other trunk
    section : (n,) section of each cell, -1: none
    """

    mesh: FlowMesh
    route: IntArray
    away: IntArray
    section: IntArray

    @property
    def tip(self) -> int:
        """The tip's cell."""
        return int(self.route[0])

    def filled(self, run: Injection) -> int:
        """Sections of which more than half is agent."""
        return int((2 * self._by_section(run.state.agent_volume) > self._room()).sum())

    def extent(self, run: Injection) -> float:
        """Share of the nidus that is agent."""
        return float(self._by_section(run.state.agent_volume).sum() / self._room().sum())

    def _room(self) -> FloatArray:
        return self._by_section(np.asarray(self.mesh.cell_volume))

    def _by_section(self, values: FloatArray) -> FloatArray:
        inside = self.section >= 0
        return np.bincount(self.section[inside], values[inside], SECTIONS[0] * SECTIONS[1])


def nidus(calibre: float, pressure: float, seed: int, *, retrograde: bool = False) -> Nidus:
    """Build a honeycomb whose vessels are `calibre` wide, `pressure` (Pa) across it.

    The catheter ends at its feeding side. `retrograde`: at its draining side, with the draining
    vessel shut round the catheter (the retrograde pressure cooker).
    """
    rows, columns = SECTIONS
    index = np.arange(rows * columns).reshape(SECTIONS)
    pairs = [
        (index[r, c], index[s, d])
        for r in range(rows)
        for c in range(columns)
        for s, d in ((r, c + 1), (r + 1, c), (r + 1, c + (1 if r % 2 else -1)))
        if s < rows and 0 <= d < columns
    ]
    spread = np.random.default_rng(seed).standard_normal(len(pairs))
    width = calibre * np.exp(SPREAD_LN * spread)
    length = SECTION_UL * index.size / (np.pi / 4 * width**2).sum()
    pipes = Pipes()
    section: dict[int, int] = {}
    node = [pipes.cell(calibre, calibre) for _ in range(index.size)]
    section.update({cell: k for k, cell in enumerate(node)})
    for (one, other), wide in zip(pairs, width, strict=True):
        cells = pipes.pipe(node[one], wide, length, stop=node[other])
        half = len(cells) // 2
        section.update(dict.fromkeys(cells[:half], int(one)))
        section.update(dict.fromkeys(cells[half:], int(other)))
    mouths = [pipes.cell(TRUNK_MM, TRUNK_MM) for _ in range(2)]
    for mouth, column in zip(mouths, (0, -1), strict=True):
        for cell in index[:, column]:
            pipes.join(mouth, node[cell])
    feeding, draining = mouths
    gap = (TRUNK_MM - load_catheter(CATHETER).outer_diameter) / 2
    if retrograde:
        # the draining trunk is shut round the catheter, so that it ends at the tip
        route, away = [draining], pipes.pipe(feeding, TRUNK_MM, TRUNK_LENGTH_MM)
        mesh = pipes.mesh([away[-1]], [pressure])
    else:
        route = [feeding, *pipes.pipe(feeding, TRUNK_MM, TRUNK_LENGTH_MM, gap=gap)]
        away = [draining, *pipes.pipe(draining, TRUNK_MM, TRUNK_LENGTH_MM)]
        mesh = pipes.mesh([route[-1], away[-1]], [pressure, 0.0])
    of = np.array([section.get(cell, -1) for cell in range(mesh.n_cells)])
    return Nidus(mesh, np.array(route), np.array(away), of)


def plug_and_push(phantom: Nidus, agent: AgentModel, pause: float, seed: int) -> Injection:
    """Push, and pause when agent runs back along the catheter or shows in the other trunk."""
    catheter, blood = load_catheter(CATHETER), Physiology.default()
    mesh, n = phantom.mesh, phantom.mesh.n_cells
    away = np.zeros(n, dtype=bool)
    away[phantom.away] = True
    watch = Watch(
        azygos=away,
        azygos_fraction=np.ones(n),
        visible_radius=np.array(mesh.cell_radius),
        route=phantom.route,
        route_length=np.full(len(phantom.route), TRUNK_LENGTH_MM / len(phantom.route)),
    )
    seen = uL_from_mL(Targets.default().azygos_mL)
    rules = (
        Rule(RuleKind.CATHETER_REFLUX, REFLUX_LIMIT_MM, RuleAction.PAUSE, pause, PAUSES),
        Rule(RuleKind.AZYGOS_REFLUX, seen, RuleAction.PAUSE, pause, PAUSES),
    )
    return inject(
        mesh,
        agent,
        source(catheter, agent, phantom.tip),
        Protocol((Step(VOLUME_UL, uL_s_from_mL_min(RATE_ML_MIN)),), rules),
        blood_viscosity=blood.blood_viscosity_Pa_s,
        blood_density=blood.blood_density,
        rest_flow=resting_flow(mesh, blood.blood_viscosity_Pa_s),
        watch=watch,
        seed=seed,
    )


def drawn_nidus(draw: Draw) -> tuple[float, float, int]:
    """Calibre, pressure and seed of the nidus of a draw."""
    rng = np.random.default_rng(draw.patient_seed)
    return rng.uniform(*CALIBRE_MM), np.exp(rng.uniform(*np.log(PRESSURE_PA))), draw.gate_seed


@dataclass(frozen=True)
class Honeycombs:
    """What one drawn nidus came to.

    Attributes
    ----------
    filled : agent → sections filled with the shorter and the longer pauses
    extent : share filled by plug and push, and by the retrograde pressure cooker (PHIL 25)
    balance_error : largest of its runs
    """

    filled: dict[str, tuple[int, int]]
    extent: tuple[float, float]
    balance_error: float


def honeycombs(number: int) -> Honeycombs:
    """All injections into the nidus of a draw."""
    draw, agents = condition((ONYX, PHIL), number)
    calibre, pressure, seed = drawn_nidus(draw)
    open_, shut = (nidus(calibre, pressure, seed, retrograde=way) for way in (False, True))
    runs = {
        (name, pause): plug_and_push(open_, agent, pause, seed)
        for name, agent in agents.items()
        for pause in PAUSES_S
    }
    filled = {
        name: (open_.filled(runs[name, PAUSES_S[0]]), open_.filled(runs[name, PAUSES_S[1]]))
        for name in agents
    }
    cooker = plug_and_push(shut, agents[PHIL], PAUSES_S[0], seed)
    extent = open_.extent(runs[PHIL, PAUSES_S[0]]), shut.extent(cooker)
    errors = [run.balance_error for run in (*runs.values(), cooker)]
    return Honeycombs(filled, extent, max(errors))
