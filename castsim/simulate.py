"""One run from scenario to cast: anatomy, tip, mesh, resting flow, injection.

Stages in order, each a line of :func:`run`; every one of them is a public function of its own
module, so that other drivers can start or stop anywhere.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from castsim import __version__
from castsim.cast import Cast, foramen_coverage
from castsim.errors import ScenarioError, UnreachableError
from castsim.far_field import Window, window
from castsim.injection import Injection, TipSource, Watch, inject
from castsim.near_field import Sections
from castsim.quasistatic import inject_quasistatic
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario
from castsim.tip import find_vein, locate_tip
from castsim.venous_flow import AZYGOS_SYSTEM, VenousFlow, resting_flow
from castsim.voxel_cast import VoxelCast, voxel_cast, voxel_coverage
from castsim.voxels import cut_into_cubes, resting_on, sections_of
from geometry.anatomy import Anatomy
from geometry.catheter_route import CatheterRoute, find_route, move_tip
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.errors import GeometryError
from geometry.flowmesh import NO_GATE, FloatArray, FlowMesh, IntArray
from geometry.levels import Level
from geometry.traits import Traits
from geometry.voxel_mesh import VoxelMesh

Progress = Callable[[str, float], None]
"""Called with the name of the stage and the share of it that is done."""

KEPT_PATIENTS = 4
SHUT_FACTOR = 1e9
"""By which an inflated balloon raises the resistance of the vein that it shuts."""


def run(
    scenario: Scenario | str | Path,
    *,
    seed: int | None = None,
    anatomy: Anatomy | None = None,
    progress: Progress | None = None,
) -> Cast:
    """Simulate one injection.

    Parameters
    ----------
    scenario : or its name, or the path of its file
    seed : of everything random in the injection; None: the scenario's own
    anatomy : the patient; None: the one that the scenario names
    progress : told what is being done

    Returns
    -------
    Cast
        The same for the same scenario and seed, bit for bit, but for its `timing`.

    Raises
    ------
    UnreachableError
        If the tip, the target or the catheter's way do not exist in this anatomy.
    """
    planned = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    planned = planned.resolved()
    if seed is not None:
        planned = Scenario.model_validate({**planned.model_dump(), "seed": seed})
    clock = _Clock(progress)

    with clock.stage("geometry"):
        if anatomy is None:
            patient = planned.patient
            anatomy = build_anatomy(patient.anatomy, patient.seed, patient.traits())
        route = catheter_route(anatomy, planned)
    with clock.stage("mesh"):
        mesh = centreline_mesh(anatomy.network, planned.mesh.cell_mm, route)
        mesh = replace(mesh, flow=with_balloon(mesh, planned))
    with clock.stage("flow"):
        rest = resting_flow(mesh.flow, planned.physiology())
    if planned.mesh.kind == "voxel":
        return _run_on_voxels(planned, anatomy, mesh, rest, route, clock)
    with clock.stage("flow"):
        tip = np.arange(mesh.flow.n_cells) == mesh.tip_cell
        part = window(
            rest.mesh, rest, levels_near(planned, _tip_level(anatomy, route)), keep_cells=tip
        )
    with clock.stage("injection"):
        injection = _inject(planned, anatomy, mesh, rest, part, clock)
    return _cast(planned, anatomy, mesh, rest, route, part, injection, clock.seconds)


def _run_on_voxels(
    scenario: Scenario,
    anatomy: Anatomy,
    lines: CentrelineMesh,
    rest: VenousFlow,
    route: CatheterRoute,
    clock: "_Clock",
) -> Cast:
    """Cut the wide veins near target and tip into cubes, and inject there."""
    if scenario.injection.mode != "dynamic":
        raise ScenarioError(
            f'{scenario.name}: injection.mode = "{scenario.injection.mode}": runs on the '
            'centreline mesh only; leave mesh.kind out, or take the mode "dynamic"'
        )
    tip_level = _tip_level(anatomy, route)
    levels = levels_near(scenario, tip_level, reach=scenario.mesh.voxel_levels)
    lines = replace(lines, flow=rest.mesh)
    with clock.stage("mesh"):
        mesh = cut_into_cubes(scenario, anatomy, lines, levels)
        on_cubes = resting_on(mesh, lines, rest)
    with clock.stage("flow"):
        tip = np.arange(mesh.flow.n_cells) == mesh.tip_cell
        around = (*levels_near(scenario, tip_level), *levels)
        part = window(mesh.flow, on_cubes, around, keep_cells=tip)
        sections = sections_of(mesh, part.cells, lines, rest.viscosity, rest.pressure)
    with clock.stage("injection"):
        injection = _inject(scenario, anatomy, mesh, on_cubes, part, clock, sections)
    target = scenario.target
    cover = voxel_coverage(anatomy, mesh, target.root, target.side_code)
    voxels = voxel_cast(mesh, lines.flow.cell_volume, part.cells, injection, cover)
    return _cast_of_voxels(scenario, anatomy, lines, rest, route, voxels, clock.seconds)


@lru_cache(maxsize=KEPT_PATIENTS)
def build_anatomy(kind: str, seed: int, traits: Traits | None = None) -> Anatomy:
    """Return the commonest anatomy (``typical``) or a random patient (``drawn``) with `traits`.

    The last few are kept: one patient is often injected more than once.
    """
    if kind == "typical":
        return Anatomy.typical(seed)
    return Anatomy.draw(np.random.default_rng(seed), traits)


def catheter_route(anatomy: Anatomy, scenario: Scenario) -> CatheterRoute:
    """Find the catheter's way from the tip to the heart, through the veins of ``via``.

    It is found for the planned tip, which then moves along it by ``tip.offset_mm``.

    Raises
    ------
    UnreachableError
        If tip or waypoint do not exist, there is no way, or the tip is withdrawn out of it.
    """
    route, offset = _planned_route(anatomy, scenario), scenario.tip.offset_mm
    try:
        return move_tip(anatomy.network, route, offset)
    except GeometryError as error:
        raise UnreachableError(f"{scenario.name}: tip.offset_mm = {offset}: {error}") from error


def _planned_route(anatomy: Anatomy, scenario: Scenario) -> CatheterRoute:
    section = scenario.catheter
    tip = locate_tip(anatomy, scenario.tip, field=f"{scenario.name}: tip")
    for number, waypoint in enumerate(section.via):
        find_vein(anatomy, waypoint, f"{scenario.name}: catheter.via.{number}")
    try:
        return find_route(
            anatomy.network,
            tip,
            diameter_mm=scenario.catheter_model().outer_diameter,
            via=[waypoint.code for waypoint in reversed(section.via)],
        )
    except GeometryError as error:
        raise UnreachableError(
            f"{scenario.name}: catheter: no way to the tip ({scenario.tip}): {error}"
        ) from error


def with_balloon(mesh: CentrelineMesh, scenario: Scenario) -> FlowMesh:
    """Shut the veins beside an inflated balloon to blood, and to agent for good.

    A balloon shuts a vein whose lumen has no larger area than its own cross-section.

    Raises
    ------
    UnreachableError
        If there is no vein beside it, or it is too small for any of them.
    """
    balloon, flow = scenario.catheter.balloon, mesh.flow
    if balloon is None:
        return flow
    length, diameter = balloon.length_mm or 0.0, balloon.diameter_mm or 0.0
    arc = route_arc(mesh)
    beside = mesh.route_cells[(arc >= balloon.distance_mm) & (arc <= balloon.distance_mm + length)]
    if not len(beside):
        raise UnreachableError(
            f"{scenario.name}: catheter.balloon.distance_mm = {balloon.distance_mm}: no vein is "
            f"left there; the catheter lies in {arc[-1]:.0f} mm of vein"
        )
    calibre = 2.0 * np.sqrt(flow.cell_radius * flow.cell_radius_minor)[beside]
    if calibre.min() > diameter:
        raise UnreachableError(
            f"{scenario.name}: catheter.balloon.diameter_mm = {diameter}: too small for a vein of "
            f"{calibre.min():.1f} mm; take a larger balloon, or place it elsewhere"
        )
    beside = beside[calibre <= diameter]
    shut = np.isin(flow.face_owner, beside) | np.isin(flow.face_neighbour, beside)
    return replace(
        flow,
        half_resistance=np.where(shut[:, None], SHUT_FACTOR, 1.0) * flow.half_resistance,
        face_gate=np.where(shut, NO_GATE, flow.face_gate),
    )


def route_arc(mesh: CentrelineMesh | VoxelMesh) -> FloatArray:
    """Distance from the tip to the centre of each cell along the catheter, (r,) mm."""
    step = np.diff(mesh.flow.cell_centroid[mesh.route_cells], axis=0)
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(step, axis=1))])


def route_length(mesh: CentrelineMesh | VoxelMesh) -> FloatArray:
    """Length of catheter in each cell that it passes, (r,) mm; the tip's own holds half a step."""
    half = 0.5 * np.diff(route_arc(mesh))
    return np.asarray(np.concatenate([half, [0.0]]) + np.concatenate([[0.0], half]))


def levels_near(scenario: Scenario, *tips: Level, reach: int | None = None) -> tuple[Level, ...]:
    """Return the levels within `reach` of target, planned tip and `tips`.

    None: the levels that agent can reach.
    """
    if reach is None:
        reach = scenario.mesh.window_levels
    ends = (scenario.target.root, Level[scenario.tip.level], *tips)
    first, last = max(min(ends) - reach, Level.C1), min(max(ends) + reach, Level.S1)
    return tuple(Level(code) for code in range(first, last + 1))


def _tip_level(anatomy: Anatomy, route: CatheterRoute) -> Level:
    """Level of the vein in which the tip lies."""
    return Level(anatomy.network.branch_level[route.path[0][0]])


def _inject(
    scenario: Scenario,
    anatomy: Anatomy,
    mesh: CentrelineMesh | VoxelMesh,
    rest: VenousFlow,
    part: Window,
    clock: "_Clock",
    sections: Sections | None = None,
) -> Injection:
    agent, catheter = scenario.agent_model(), scenario.catheter_model()
    inside = _index_inside(part.cells, mesh.flow.n_cells)
    source = TipSource(
        cell=int(inside[mesh.tip_cell]),
        resistance=catheter.resistance(agent.viscosity),
        compliance=catheter.hub_compliance,
        pressure_limit=catheter.hub_pressure_limit,
        dead_space=catheter.dead_space,
    )
    protocol = scenario.injection.protocol()
    watch = _watch(scenario, anatomy, mesh, rest, part, inside)
    if scenario.injection.mode == "quasistatic":
        return inject_quasistatic(
            part.mesh, agent, source, protocol, watch=watch, seed=scenario.seed
        )
    return inject(
        part.mesh,
        agent,
        source,
        protocol,
        blood_viscosity=rest.viscosity[part.cells],
        blood_density=scenario.physiology().blood_density,
        gravity=scenario.patient.gravity(),
        rest_flow=rest.cell_flow[part.cells],
        watch=watch,
        seed=scenario.seed,
        eta=scenario.mesh.eta,
        sections=sections,
        progress=clock.injected,
    )


def _watch(
    scenario: Scenario,
    anatomy: Anatomy,
    mesh: CentrelineMesh | VoxelMesh,
    rest: VenousFlow,
    part: Window,
    inside: IntArray,
) -> Watch:
    """Say which of the window's cells rules and log look at."""
    target = scenario.target
    if isinstance(mesh, VoxelMesh):
        cover = voxel_coverage(anatomy, mesh, target.root, target.side_code)
    else:
        cover = foramen_coverage(anatomy, mesh, target.root, target.side_code)
    kept = inside[cover.cell] >= 0
    cover = replace(
        cover,
        cell=inside[cover.cell[kept]],
        start=cover.start[kept],
        stop=cover.stop[kept],
        station=cover.station[kept],
    )
    flow = part.mesh
    # agent cannot pass a cell outside the window, so the watched route ends before it
    beyond = inside[mesh.route_cells] < 0
    length = int(beyond.argmax()) if beyond.any() else len(beyond)
    return Watch(
        azygos=np.isin(flow.cell_structure, AZYGOS_SYSTEM),
        azygos_fraction=rest.azygos_fraction[part.cells],
        visible_radius=np.sqrt(flow.cell_radius * flow.cell_radius_minor),
        route=inside[mesh.route_cells[:length]],
        route_length=route_length(mesh)[:length],
        ports=part.ports,
        coverage=cover.degrees,
        coverage_cells=cover.cell,
    )


def _index_inside(cells: IntArray, n_cells: int) -> IntArray:
    """Index of each cell of the whole spine in the window, -1 outside, (n,)."""
    inside = np.full(n_cells, -1, dtype=np.int64)
    inside[cells] = np.arange(len(cells))
    return inside


def _cast(
    scenario: Scenario,
    anatomy: Anatomy,
    mesh: CentrelineMesh,
    rest: VenousFlow,
    route: CatheterRoute,
    part: Window,
    injection: Injection,
    timing: dict[str, float],
) -> Cast:
    """Spread the window's result over the whole spine."""
    return Cast.spread(
        mesh.flow.n_cells,
        part.cells,
        injection,
        scenario=scenario,
        seed=scenario.seed,
        version=__version__,
        anatomy=anatomy,
        mesh=mesh,
        rest=rest,
        route=route,
        timing=timing,
    )


def _cast_of_voxels(
    scenario: Scenario,
    anatomy: Anatomy,
    lines: CentrelineMesh,
    rest: VenousFlow,
    route: CatheterRoute,
    voxels: VoxelCast,
    timing: dict[str, float],
) -> Cast:
    """Sum the cubes of each section up, so that whatever reads a cast reads this one."""
    flow = replace(lines.flow, cell_volume=voxels.line_volume)
    agent = voxels.saturation * voxels.mesh.flow.cell_volume
    held = voxels.total(agent)
    solid = voxels.total(agent * voxels.solid_fraction)
    return Cast(
        scenario=scenario,
        seed=scenario.seed,
        version=__version__,
        anatomy=anatomy,
        mesh=replace(lines, flow=flow),
        rest=rest,
        route=route,
        first_volume=voxels.least(voxels.first_volume),
        full_volume=voxels.most(voxels.full_volume),
        first_time=voxels.least(voxels.first_time),
        full_time=voxels.most(voxels.full_time),
        saturation=voxels.on_lines(voxels.saturation),
        solid_fraction=np.divide(solid, held, out=np.zeros(len(held)), where=held > 0),
        swept_volume=voxels.total(voxels.swept_volume),
        first_swept=voxels.least(voxels.first_swept),
        window=np.unique(voxels.mesh.line_cell[voxels.window]),
        injection=voxels.injection,
        timing=timing,
        voxels=voxels,
    )


class _Clock:
    """Wall clock of the stages, and what the progress bar is told."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self._progress is not None:
            self._progress(name, 0.0)
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def injected(self, done: float, planned: float) -> None:
        if self._progress is not None:
            self._progress("injection", done / planned)
