"""Injections into veins of cubes: beside centrelines, beside elimination, and what gravity does.

The fork's veins are some four cubes a radius. Agent comes into a line cell near its first end.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import castsim.injection
import castsim.kernels.multigrid
import castsim.near_field
from castsim.agents import AgentModel, load_agent
from castsim.assembly import elimination_plan
from castsim.injection import BALANCE_BOUND, Injection
from castsim.kernels.multigrid import times
from castsim.kernels.pressure import scratch
from castsim.near_field import NearField, Sections
from castsim.protocol import Pause, Step
from castsim.voxels import sections_of
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh, voxel_mesh

BLOOD = 0.004
VOLUME = 30.0
"""mm3: the first vein holds 25, the other two 28."""
G = 9810.0
END, SHUT = 5.0, 1e7
"""Pa s mm^-3 of each end, and of the first one, so that agent goes the other way."""
DRAWS = 40
STEPS = 0.01, 0.03
"""Shares of what was injected, between which the steps of these draws lie; of cubes the longer."""
SHARE = 0.95
"""Of the casts with errors, that lie in the band."""
CUBES = np.array([2.0, 3.0, 5.0, 8.0])
"""Cubes a radius for which the errors below are known (docs/theory.md, section 2)."""
LEAST, MOST = np.array([0.902, 0.968, 0.992, 0.996]), np.array([1.113, 1.037, 1.013, 1.005])
"""Conductance of a tube over Poiseuille's, of 5 directions and 3 offsets."""
BALL = np.array([2.0, 5.0, 8.0]), np.array([0.062, 0.011, 0.004])
"""Cubes a radius, and by how much the volume of a ball is off (docs/verification.md)."""
Push = Callable[..., Injection]
Fluid = Callable[..., AgentModel]
Fork = tuple[CentrelineMesh, VoxelMesh]


def veins(angles: tuple[float, ...], radii: tuple[float, ...], spacing: float) -> Fork:
    """Veins of 8 mm that meet, on both meshes."""
    builder = NetworkBuilder()
    middle = builder.node(np.zeros(3))
    for angle, radius in zip(np.radians(angles), radii, strict=True):
        end = builder.node(8.0 * np.array([np.cos(angle), np.sin(angle), 0.0]))
        vein = Structure.AZYGOS, Level.T9, Side.RIGHT
        builder.branch(middle, end, *vein, radius=[radius, radius])
        builder.terminal(end, TerminalKind.OUTLET, f"end {np.degrees(angle):.0f}")
    network = builder.build()
    lines = centreline_mesh(network)
    return lines, voxel_mesh(
        network, lines, capsules_of(network), spacing, [Level.T9], least_cubes=1.5
    )


@pytest.fixture(scope="module")
def fork() -> Fork:
    return veins((180.0, 40.0, -40.0), (1.0, 0.8, 0.7), 0.25)


def with_ends(flow: FlowMesh, end: float = END) -> FlowMesh:
    resistance = np.full(flow.n_terminals, end)
    resistance[0] = SHUT
    return replace(flow, terminal_resistance=resistance)


def sections(made: Fork) -> Sections:
    lines, mesh = made
    count = lines.flow.n_cells
    cells = np.arange(mesh.flow.n_cells)
    return sections_of(mesh, cells, lines, np.full(count, BLOOD), np.zeros(count))


def go(
    push: Push,
    made: Fork,
    agent: AgentModel,
    *,
    on: str,
    volume: float = VOLUME,
    arc: float = 7.75,
    end: float = END,
    **given: Any,
) -> Injection:
    """Push agent into the first vein, near its end: on lines, on cubes, or by elimination."""
    lines, mesh = made
    start = lines.cell_at(0, arc)
    cells = lines.flow if on == "lines" else mesh.flow
    tip = start if on == "lines" else int(np.flatnonzero(mesh.line_cell == start)[0])
    return push(
        with_ends(cells, end),
        agent,
        volume,
        1.0,
        tip=tip,
        blood_viscosity=BLOOD,
        sections=sections(made) if on == "cubes" else None,
        **{"eta": max(STEPS), "source": {"resistance": 1e3}, **given},
    )


def by_section(made: Fork, run: Injection) -> FloatArray:
    """Agent in each cell of the centreline mesh, mm3."""
    lines, mesh = made
    return np.bincount(mesh.line_cell, run.state.agent_volume, lines.flow.n_cells)


def by_branch(made: Fork, agent: FloatArray) -> FloatArray:
    lines = made[0].flow
    return np.bincount(lines.cell_branch, agent, 3)


def eliminate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pressures on cubes come from elimination instead of iteration, from now on."""
    eliminated = castsim.injection._Eliminated
    monkeypatch.setattr(castsim.injection, "NearField", lambda graph, *_: eliminated(graph))
    monkeypatch.setattr(
        castsim.injection, "scratch", lambda graph: scratch(graph, elimination_plan(graph))
    )


@pytest.fixture(scope="module")
def plain(fluid: Fluid) -> AgentModel:
    """A liquid that clings to the wall, so that blood tears nothing off."""
    return fluid()


def test_sleeping_sections_change_nothing_that_counts(
    fork: Fork, push: Push, plain: AgentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Awake cubes around agent, or all of them: the same cast to 1 % of what came."""
    few = go(push, fork, plain, on="cubes")
    monkeypatch.setattr(castsim.near_field, "SPARE_RADII", 1e9)
    whole = go(push, fork, plain, on="cubes")
    apart = np.abs(few.state.agent_volume - whole.state.agent_volume).sum()
    assert apart <= 0.01 * whole.injected
    for run in (few, whole):
        assert run.balance_error <= BALANCE_BOUND
        assert run.injected == pytest.approx(VOLUME)


@pytest.mark.parametrize("compliance", [0.0, 5e-4])
def test_iteration_gives_the_cast_of_elimination(
    compliance: float, fork: Fork, push: Push, plain: AgentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same mesh and sections: what differs is when a step asks for a new solve, so O(eta).

    With an incompliant syringe, and with one that still gives agent when the thumb rests.
    """
    source = {"resistance": 1e3, "compliance": compliance}
    iterated = by_section(fork, go(push, fork, plain, on="cubes", eta=0.003, source=source))
    eliminate(monkeypatch)
    exact = by_section(fork, go(push, fork, plain, on="cubes", eta=0.003, source=source))
    assert np.abs(iterated - exact).sum() <= 0.03 * VOLUME


@pytest.mark.parametrize("direct", [2000, 100, 30])
def test_iteration_gives_the_cast_of_elimination_when_it_closes(
    direct: int, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Onyx that sinks, and in two pauses lies still: all of its fronts are held, and grow skins.

    Then hardly anything but the catheter joins the cast to the rest. With one level of multigrid,
    or several.
    """
    made = veins((180.0, 40.0, -40.0), (1.0, 0.8, 0.7), 0.3)
    source = {"resistance": 1e3, "compliance": 5e-4}
    steps = (Step(6.0, 1.0), Pause(30.0), Step(4.0, 1.0), Pause(30.0), Step(3.0, 1.0))
    given = {"on": "cubes", "steps": steps, "gravity": [0.0, -G, 0.0], "source": source}
    monkeypatch.setattr(castsim.kernels.multigrid, "DIRECT", direct)
    iterated = go(push, made, load_agent("Onyx 18"), **given)
    eliminate(monkeypatch)
    exact = go(push, made, load_agent("Onyx 18"), **given)
    # a skin of 30 s; agent never met what is open
    assert exact.burst_pressure >= 3000.0
    assert iterated.burst_pressure == pytest.approx(exact.burst_pressure, rel=0.05)
    apart = by_branch(made, by_section(made, iterated) - by_section(made, exact))
    assert np.abs(apart).sum() <= 0.01 * exact.injected


def test_what_joins_the_cast_to_all_else_is_kept_up_to_date(
    push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While diodes switch: as if worked out anew from the links of the last solve."""
    held: list[float] = []

    def check(self: NearField) -> None:
        levels = self.plan
        if levels.body_hold[0] > 0.0:
            image = np.zeros(len(levels.body))
            due = times(levels, 0, levels.body, image, levels.body)[0]
            assert levels.body_hold[0] == pytest.approx(due, rel=1e-6)
            assert np.abs(levels.body_image - image).max() <= 1e-9 * np.abs(image).max()
            held.append(due)

    monkeypatch.setattr(NearField, "check", check)
    made = veins((180.0, 40.0, -40.0), (1.0, 0.8, 0.7), 0.3)
    given = {"on": "cubes", "gravity": [0.0, -G, 0.0], "source": {"resistance": 1e3}}
    go(push, made, load_agent("Onyx 18"), **given)
    assert len(held) > 50
    assert max(held) > 10.0 * min(held)


def test_cubes_and_lines_share_agent_out_alike(fork: Fork, push: Push, plain: AgentModel) -> None:
    """Shares of the branches, without weight: conductances differ by up to 5 % at three cubes."""
    cubes = by_branch(fork, by_section(fork, go(push, fork, plain, on="cubes")))
    lines = go(push, fork, plain, on="lines").state.agent_volume
    np.testing.assert_allclose(cubes / VOLUME, by_branch(fork, lines) / VOLUME, atol=0.05)


def blurred(flow: FlowMesh, cubes: BoolArray, spacing: float, seed: int) -> FlowMesh:
    """Give a centreline mesh's veins that are `cubes` (n,) on the other conductances as far off.

    Their volumes, too; `spacing` in mm, `seed` of what is drawn, once for every branch.
    """
    random = np.random.default_rng(seed)
    count = int(flow.cell_branch.max()) + 1
    minor = np.bincount(flow.cell_branch, flow.cell_radius_minor, count)
    across = minor / np.maximum(np.bincount(flow.cell_branch, minlength=count), 1) / spacing
    known = np.log(np.maximum(across, CUBES[0]))
    off = np.interp(known, np.log(BALL[0]), BALL[1])
    least, most = (np.interp(known, np.log(CUBES), bound) for bound in (LEAST, MOST))
    conducts = random.uniform(least, most)[flow.cell_branch]
    holds = random.uniform(1.0 - off, 1.0 + off)[flow.cell_branch]
    conducts, holds = np.where(cubes, conducts, 1.0), np.where(cubes, holds, 1.0)
    ends = np.stack([flow.face_owner, flow.face_neighbour], axis=1)
    return replace(
        flow,
        half_resistance=flow.half_resistance / conducts[ends],
        cell_volume=flow.cell_volume * holds,
    )


def steps() -> FloatArray:
    """Share of what was injected, of each draw."""
    return np.geomspace(*STEPS, DRAWS)


@pytest.mark.parametrize("spacing", [0.25, 0.2])
def test_cubes_and_lines_lie_as_far_apart_as_errors_of_cubes_explain(
    push: Push, plain: AgentModel, spacing: float
) -> None:
    """Without weight, a dead end at the tip or ends that decide: the band of cubes' errors.

    Conductances and volumes of the lines are made as far off as those of cubes are known to be,
    and steps as long; cubes lie where 19 of 20 of these casts do. The two branches are half full.
    """
    made = veins((180.0, 40.0, -40.0), (1.0, 0.8, 0.7), spacing)
    lines, mesh = made
    volume, free = 40.0, {"arc": 8.0, "end": 0.01}

    def shares(which: Fork, **given: Any) -> FloatArray:
        state = go(push, which, plain, volume=volume, **free, **given).state
        of = mesh.line_cell if given["on"] == "cubes" else slice(None)
        return np.bincount(lines.flow.cell_branch[of], state.agent_volume, 3) / volume

    exact = shares(made, on="lines", eta=0.01)

    def apart(found: FloatArray) -> list[float]:
        """How much lies elsewhere, and how else the two branches share their part out."""
        parts = [part[1] / part[1:].sum() for part in (found, exact)]
        return [float(np.abs(found - exact).sum()), abs(parts[0] - parts[1])]

    cubes = np.ones(lines.flow.n_cells, dtype=bool)
    cubes[mesh.line_cell[: mesh.n_lines]] = False
    rows = []
    for seed, eta in enumerate(steps()):
        off = replace(lines, flow=blurred(lines.flow, cubes, spacing, seed))
        rows.append(apart(shares((off, mesh), on="lines", eta=eta)))
    band = np.quantile(rows, SHARE, axis=0, method="higher")
    assert np.all(band <= [0.05, 0.02])  # a band that lets anything pass would hold nothing
    assert np.all(apart(shares(made, on="cubes")) <= band)


def test_heavy_agent_lies_on_the_floor(push: Push, fluid: Fluid) -> None:
    """In a level vein of 2 mm agent of 1.4 g/mL sinks at once; as heavy as blood it does not."""
    made = veins((180.0, 0.0), (1.0, 1.0), 0.25)
    mesh = made[1]
    heights: list[float] = []
    for density in (1.43e-3, 1.06e-3):
        agent = fluid(density=density, viscosity=0.02)
        gravity = [0.0, -G, 0.0]
        run = go(push, made, agent, on="cubes", volume=8.0, gravity=gravity)
        height = mesh.flow.cell_centroid[mesh.n_lines :, 1]
        held = run.state.agent_volume[mesh.n_lines :]
        heights.append(float((height * held).sum() / held.sum()))
        assert run.balance_error <= BALANCE_BOUND
    heavy, even = heights
    # mm; a vein filled to half has its agent 4 / (3 pi) = 0.42 radii below the axis
    assert heavy <= -0.3
    assert abs(even) <= 0.1
