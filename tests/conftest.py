"""Plain fluids, small meshes and short pushes that several folders of tests share.

Units are mm, s, g throughout, hence Pa, Pa s and mm3 = uL.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from castsim.agents import AgentModel, load_agent
from castsim.injection import Injection, TipSource, inject
from castsim.kernels.arrays import Graph, State
from castsim.kernels.pressure import GATES, TOUCHED, Work, scratch
from castsim.protocol import Pause, Protocol, Step
from geometry.flowmesh import FlowMesh

# the same examples in every run: a failure is one for everybody, and not by luck
settings.register_profile("castsim", derandomize=True)
settings.load_profile("castsim")

BLOOD_VISCOSITY = 0.004
BLOOD_DENSITY = 1.06e-3
PLAIN: dict[str, Any] = {
    "viscosity": 0.02,
    "density": BLOOD_DENSITY,
    "diffusivity": 0.0,
    "diffusivity_swept_factor": 1.0,
    "diffusivity_enclosed_factor": 1.0,
    "skin_onset": 0.0,
    "skin_yield": 0.0,
    "wall_hold": 1e9,
    "tension": 0.0,
    "disorder": 0.0,
    "healing_time": 1e9,
    "healing_travel": 0.05,
    "sweep_ratio": 1e9,
}


@pytest.fixture(scope="session")
def fluid() -> Callable[..., AgentModel]:
    """Makes an agent as heavy as blood without skin, gel, disorder or sweeping, but for `given`."""

    def make(**given: Any) -> AgentModel:
        return replace(load_agent("Onyx 18"), **(PLAIN | given))

    return make


@pytest.fixture(scope="session")
def stocked() -> Callable[[Graph, State], Work]:
    """Makes scratch arrays whose lists are those of a state that was set by hand."""

    def make(graph: Graph, state: State) -> Work:
        work = scratch(graph)
        touched, gates = np.flatnonzero(state.agent_volume), np.flatnonzero(state.reached)
        work.known[touched] = 1
        work.touched[: len(touched)], work.gates[: len(gates)] = touched, gates
        work.size[TOUCHED], work.size[GATES] = len(touched), len(gates)
        return work

    return make


@pytest.fixture(scope="session")
def tube() -> Callable[..., FlowMesh]:
    """Makes a straight vein of `n` equal cells, open at its far end.

    The half cell beyond the last centre is given to the terminal's resistance (filled with
    blood), so that the mesh is a tube of n dx that begins half a cell before its tip.
    """

    def make(
        n: int,
        *,
        length: float,
        radius: float = 1.0,
        minor: float | None = None,
        direction: Any = (1.0, 0.0, 0.0),
        blood: float = BLOOD_VISCOSITY,
        **given: Any,
    ) -> FlowMesh:
        dx = length / n
        b = radius if minor is None else minor
        axis = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
        half = 2 * dx * (radius**2 + b**2) / (np.pi * (radius * b) ** 3)
        given = {
            "terminal_cell": [n - 1],
            "terminal_resistance": half * blood,
            "cell_centroid": np.outer(dx * (np.arange(n) + 0.5), axis),
            "face_length": dx,
        } | given
        return FlowMesh.from_arrays(
            cell_volume=np.full(n, np.pi * radius * b * dx),
            cell_radius=radius,
            cell_radius_minor=b,
            face_owner=np.arange(n - 1),
            face_neighbour=np.arange(1, n),
            **given,
        )

    return make


@pytest.fixture(scope="session")
def push() -> Callable[..., Injection]:
    """Injects `volume` at `rate` (or `steps`) through a short catheter into cell `tip`."""

    def go(
        mesh: FlowMesh,
        agent: AgentModel,
        volume: float = 1.0,
        rate: float = 1.0,
        *,
        steps: tuple[Step | Pause, ...] | None = None,
        rules: Any = (),
        tip: int = 0,
        source: dict[str, float] | None = None,
        **given: Any,
    ) -> Injection:
        given = {"blood_viscosity": BLOOD_VISCOSITY, "blood_density": BLOOD_DENSITY} | given
        return inject(
            mesh,
            agent,
            TipSource(**({"cell": tip, "resistance": 1.0, "pressure_limit": 1e8} | (source or {}))),
            Protocol(steps or (Step(volume, rate),), rules),
            **given,
        )

    return go
