"""Random injections: structure is drawn piece by piece, so that failures shrink to small ones.

How many cells there are, what joins them, where valves, terminals and catheter lie, the agent and
the protocol are Hypothesis choices; sizes and places come from one drawn seed, because ties between
them are no subject of these properties (a tie may fall either way).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from numpy.typing import NDArray

from castsim.agents import AgentModel, load_agent
from castsim.injection import Injection, TipSource, Watch, inject
from castsim.protocol import Pause, Protocol, Step
from geometry.flowmesh import NO_GATE, FlowMesh

BLOOD_VISCOSITY = 0.004
BLOOD_DENSITY = 1.06e-3
ETA = 0.01
engine.MAX_SHRINKING_SECONDS = 40  # 300, in which whoever runs the tests would think that they hang
TRICKLE = 1e-3
"""mm3/s, a push so slow that it ages the cast as a pause does."""
A_GO = 10
"""Examples drawn from one seed: after ten Hypothesis tries variations of what it has drawn, of
which five in six are the same injection again."""
DEEPER = 10
"""Times as many examples in the tests marked slow."""


@dataclass(frozen=True)
class Case:
    """Everything that one injection needs; `replace` makes changed ones.

    Units are mm, s, g, hence Pa and mm3. `route` holds the cells along the catheter, tip first.
    """

    mesh: FlowMesh
    agent: AgentModel
    source: TipSource
    steps: tuple[Step | Pause, ...]
    blood_viscosity: NDArray[np.float64]
    rest_flow: NDArray[np.float64]
    gravity: NDArray[np.float64]
    route: NDArray[np.int64]
    blood_density: float = BLOOD_DENSITY
    seed: int = 0

    def run(self) -> Injection:
        """Inject."""
        watch = replace(
            Watch.nothing(self.mesh), route=self.route, route_length=np.ones(len(self.route))
        )
        return inject(
            self.mesh,
            self.agent,
            self.source,
            Protocol(self.steps),
            blood_viscosity=self.blood_viscosity,
            blood_density=self.blood_density,
            gravity=self.gravity,
            rest_flow=self.rest_flow,
            watch=watch,
            seed=self.seed,
            eta=ETA,
        )

    @property
    def planned(self) -> float:
        """Volume of all pushes, mm3."""
        return Protocol(self.steps).volume

    @property
    def charge(self) -> float:
        """Volume that the hub stores when the first agent leaves the tip, mm3."""
        first = Protocol(self.steps).first_rate
        pressure = min(first * self.source.resistance, self.source.pressure_limit)
        return self.source.compliance * pressure


def for_all(
    *, examples: int = 30, **given_by: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a property into a test, and into one marked slow with `DEEPER` times the examples."""

    def wrap(prop: Callable[..., None]) -> Callable[..., None]:
        deep = pytest.param(DEEPER * examples, marks=pytest.mark.slow, id="deep")

        @pytest.mark.parametrize("count", [pytest.param(examples, id="quick"), deep])
        def test(count: int) -> None:
            for start in range(0, count, A_GO):
                once = settings(
                    max_examples=A_GO,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                )
                seed(start)(once(given(**given_by)(prop)))()

        test.__doc__ = prop.__doc__
        return test

    return wrap


@st.composite
def networks(
    draw: st.DrawFn, *, most_cells: int = 24, most_terminals: int = 4
) -> tuple[FlowMesh, NDArray[np.int64]]:
    """A connected network and the cells of a catheter's route, tip first.

    It may have loops, double faces, valves (and so pockets that only take or only give), blind
    ends, several terminals with or without resistance, gates that several faces share, faces that
    agent never enters, elliptical cells, and annular ones along the route.
    """
    n = draw(st.integers(1, most_cells) | st.integers(most_cells // 2, most_cells))
    width = draw(st.sampled_from([1, 2, 3, max(1, n)]))  # 1: a chain; n: a tree of any shape
    back = draw(st.lists(st.integers(0, width - 1), min_size=n - 1, max_size=n - 1))
    parent = [max(0, k - step) for k, step in enumerate(back)]
    faces = [(a, k) for k, a in enumerate(parent, start=1)]
    if n > 1:
        ends = st.tuples(st.integers(0, n - 1), st.integers(1, n - 1))
        faces += [(a, (a + b) % n) for a, b in draw(st.lists(ends, max_size=n // 2))]
    m = len(faces)
    kinds = st.sampled_from([0] * 22 + [1, -1, 2])  # two kinds of valve, and no way for agent
    kind = np.array(draw(st.lists(kinds, min_size=m, max_size=m)), dtype=np.int64)
    cells = st.integers(0, n - 1)
    outlets = draw(st.lists(cells, min_size=1, max_size=most_terminals, unique=True))
    outlets = [n - 1 - cell for cell in outlets]  # the tip tends to be at the other end
    t = len(outlets)
    several = {"min_size": t, "max_size": t}
    resistance = draw(st.lists(st.sampled_from([20.0, 1000.0, 0.5, 0.0]), **several))
    pressure = draw(st.lists(st.sampled_from([0.0, 0.0, 0.0, 97.3, 512.9]), **several))
    shared = draw(st.lists(st.booleans(), min_size=m, max_size=m))
    tip, covered = draw(cells), draw(st.integers(0, 4))
    if tip in outlets and draw(st.booleans()):
        tip = 0
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    faces_array = np.array(faces, dtype=np.int64).reshape(m, 2)
    turned = rng.random(m) < 0.5
    faces_array[turned] = faces_array[turned, ::-1]
    radius = rng.uniform(0.2, 0.8, n)
    minor = np.where(rng.random(n) < 0.3, rng.uniform(0.4, 1.0, n), 1.0) * radius
    route = [tip]
    while len(route) < covered and route[-1] > 0:
        route.append(parent[route[-1] - 1])
    gap = np.zeros(n)
    if covered:
        gap[route] = 0.3 * minor[route]
    # a face may take the gate of the one before it, as faces of one stretch do
    gate = np.cumsum([k > 0 and not taken for k, taken in enumerate(shared)], dtype=np.int64)
    inner = int(gate[-1]) + 1 if m else 0
    mesh = FlowMesh.from_arrays(
        cell_volume=np.pi * radius * minor * rng.uniform(0.3, 1.5, n),
        cell_radius=radius,
        cell_radius_minor=minor,
        cell_gap=gap,
        cell_centroid=rng.normal(scale=10.0, size=(n, 3)),
        face_owner=faces_array[:, 0],
        face_neighbour=faces_array[:, 1],
        face_valve=np.where(kind == 2, 0, kind),
        face_gate=np.where(kind == 2, NO_GATE, gate),
        gate_radius=rng.uniform(0.2, 0.8, inner + t),
        gate_branch=rng.permutation(inner + t),
        gate_stretch=rng.integers(0, 3, inner + t),
        terminal_cell=np.array(outlets, dtype=np.int64),
        terminal_gate=inner + np.arange(t),
        terminal_pressure=pressure,
        terminal_resistance=resistance,
        terminal_kind=rng.integers(0, 4, t),
    )
    return mesh, np.array(route, dtype=np.int64)


@st.composite
def agents(draw: st.DrawFn, *, holds: tuple[float, ...] = (300.0, 300.0, 0.0)) -> AgentModel:
    """An agent with or without weight, skin, gel, disorder, healing and sweeping."""
    return replace(
        load_agent("Onyx 18"),
        viscosity=draw(st.sampled_from([0.004, 0.025, 0.1])),
        density=draw(st.sampled_from([BLOOD_DENSITY, 1.43e-3, 0.9e-3])),
        diffusivity=draw(st.sampled_from([0.0, 3e-4])),
        diffusivity_swept_factor=2.0,
        diffusivity_enclosed_factor=0.333,
        skin_onset=draw(st.sampled_from([0.0, 1.0])),
        skin_yield=draw(st.sampled_from([0.0, 2e4])),
        wall_hold=draw(st.sampled_from(holds)),
        tension=draw(st.sampled_from([0.0, 0.1, 10.0])),
        disorder=draw(st.sampled_from([0.0, 0.5])),
        healing_time=draw(st.sampled_from([1e9, 2.0])),
        healing_travel=0.05,
        sweep_ratio=draw(st.sampled_from([1e9, 300.0])),
    )


def protocols(scale: float, *, most: int = 5) -> st.SearchStrategy[tuple[Step | Pause, ...]]:
    """1 to `most` pushes (shares of `scale`, mm3) and pauses, at least one of them a push."""
    pushes = st.builds(
        lambda share, rate: Step(share * scale, rate),
        st.sampled_from([0.7, 0.3, 0.1, 1.5]),
        st.sampled_from([1.0, 0.1, 3.0]),
    )
    pauses = st.builds(Pause, st.sampled_from([0.5, 5.0, 60.0]))
    pieces = st.lists(st.one_of(pushes, pauses), min_size=0, max_size=most - 1)
    return st.tuples(pieces, pushes, st.booleans()).map(
        lambda drawn: tuple([*drawn[0], drawn[1]] if drawn[2] else [drawn[1], *drawn[0]])
    )


def trickling(steps: tuple[Step | Pause, ...]) -> tuple[Step | Pause, ...]:
    """The same protocol, but in its pauses agent goes on to flow a little."""
    return tuple(
        Step(TRICKLE * step.duration, TRICKLE) if isinstance(step, Pause) else step
        for step in steps
    )


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    most_cells: int = 24,
    most_terminals: int = 4,
    most_steps: int = 5,
    resistances: tuple[float, ...] = (100.0, 1e3, 1e5),
    compliances: tuple[float, ...] = (0.0, 5e-5),
    limits: tuple[float, ...] = (7e5, 2e4),
    exact: bool = False,
) -> Case:
    """An injection of any kind into a network of any kind.

    With `exact`, nothing in it hangs on round-off, so that two ways to tell it must agree: walls
    hold their gel (what nothing holds gives way at any pressure above 0), and a hub that stores
    volume does not come to rest before another push (agent trickles in the pauses instead), for
    which way it flows at rest is round-off.
    """
    mesh, route = draw(networks(most_cells=most_cells, most_terminals=most_terminals))
    n = mesh.n_cells
    source = TipSource(
        cell=int(route[0]),
        resistance=draw(st.sampled_from(resistances)),
        compliance=draw(st.sampled_from(compliances)),
        pressure_limit=draw(st.sampled_from(limits)),
        dead_space=draw(st.sampled_from([0.0, 0.5])),
    )
    steps = draw(protocols(float(mesh.cell_volume.sum()), most=most_steps))
    if exact and source.compliance > 0.0:
        steps = trickling(steps)
    rest = draw(st.lists(st.sampled_from([0.0] * 12 + [1.0, 1000.0]), min_size=n, max_size=n))
    thick = draw(st.booleans())
    down = draw(st.sampled_from([None, 0, 1, 2]))
    gravity = np.zeros(3)
    if down is not None:
        gravity[down] = -9810.0
    return Case(
        mesh=mesh,
        agent=draw(agents(holds=(300.0,)) if exact else agents()),
        source=source,
        steps=steps,
        blood_viscosity=BLOOD_VISCOSITY * (1.0 + thick * (np.arange(n) % 3)),
        rest_flow=np.array(rest),
        gravity=gravity,
        route=route,
        seed=draw(st.integers(0, 1000)),
    )
