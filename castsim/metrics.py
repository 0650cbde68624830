"""What a cast is judged by: the numbers of ``cast.json``, read from one finished run."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from castsim.cast import Cast
from castsim.cord import alarmed_from, amount, towards_cord
from castsim.errors import CastsimError
from castsim.schema import CastReport
from castsim.simulate import route_length
from castsim.tables import number, read_table
from castsim.units import PA_PER_MMHG, UL_PER_ML, mL_min_from_uL_s
from geometry.coverage import STATIONS
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

FloatArray = NDArray[np.float64]

DOSE_POINTS = 100
"""Rows of the dose curve beside its start."""
SEVERAL = (
    "on cubes a run is one of several casts that are about as likely: look at other seeds (--seed) "
    "before you rely on it"
)
"""What displaced grids, seeds and steps show (docs/voxel_injection.md)."""
SEGMENTAL = (Compartment.SEGMENTAL, Compartment.INTERSEGMENTAL)
BUOYANT_EXCESS = 10.0
"""Buoyant speed over injected speed from which a cell counts as layered."""
MOSTLY = 0.5
"""Share of the cast from which its layering is warned of."""
PIPE_BUOYANCY = 8.0
"""A column of radius R sinks at drho g R^2 / (8 mu): Poiseuille driven by its own weight."""


def summarise(cast: Cast) -> dict[str, object]:
    """Everything that ``cast.json`` holds, by its schema ``castsim.cast/1``.

    ``timing_s.output`` counts the metrics only; who writes the files adds to it.
    """
    run = cast.injection
    deg = cast.coverage_at(cast.injected)
    coverable = cast.coverable
    pressure = run.log["tip_pressure"]
    report = {
        "schema": "castsim.cast/1",
        "scenario": cast.scenario.model_dump(mode="json"),
        "seed": cast.seed,
        "version": cast.version,
        "injected_mL": run.injected / UL_PER_ML,
        "syringe_mL": run.syringe / UL_PER_ML,
        "dmso_mL": run.dmso / UL_PER_ML,
        "cast_mL": run.cast / UL_PER_ML,
        "embolised_mL": run.embolised / UL_PER_ML,
        "terminal_mL": run.terminal / UL_PER_ML,
        "volume_balance_error": run.balance_error,
        "duration_s": run.duration,
        "stop_reason": run.stop_reason,
        "truncated": run.truncated,
        "tip_pressure_mmHg": {
            "max": float(pressure.max()) / PA_PER_MMHG,
            "final": float(pressure[-1]) / PA_PER_MMHG,
        },
        "coverage": {
            "deg": deg,
            "coverable_deg": coverable,
            "fraction": deg / coverable if coverable > 0 else 0.0,
            "stations": [cast.coverage_at(cast.injected, k) for k in range(STATIONS)],
        },
        "reflux": reflux(cast),
        "hazard_mL": run.hazard / UL_PER_ML,
        "layered_fraction": layered_fraction(cast),
        "warnings": warnings(cast),
        "structures": structures(cast),
        "foramina_touched": foramina_touched(cast),
        "dose_curve": dose_curve(cast),
        "mesh": mesh_size(cast),
        "timing_s": {**cast.timing, "output": 0.0},
    }
    return CastReport.model_validate(report).model_dump(mode="json", by_alias=True)


def first_azygos(cast: Cast) -> tuple[float, float] | None:
    """Volume (mm3) and time (s) when agent in the azygos system first shows; None: it never does.

    It shows when as much has entered as an operator notices (``data/operator_rules.csv``).
    """
    log = cast.injection.log
    noticed = noticed_azygos()
    if log["azygos"][-1] < noticed:
        return None
    row = max(1, int(np.argmax(log["azygos"] >= noticed)))
    low, high = log["azygos"][row - 1], log["azygos"][row]
    share = (noticed - low) / (high - low) if high > low else 1.0
    volume, time = (
        float(log[name][row - 1] + share * (log[name][row] - log[name][row - 1]))
        for name in ("volume", "time")
    )
    return volume, time


@cache
def noticed_azygos() -> float:
    """Least volume in the azygos system that an operator notices, mm3."""
    for row in read_table("operator_rules"):
        if (row["rule"], row["parameter"]) == ("azygos_reflux", "volume_mL"):
            return number(row, "value", table="operator_rules") * UL_PER_ML
    raise CastsimError("castsim/data/operator_rules.csv: no row azygos_reflux, volume_mL")


def reflux(cast: Cast) -> dict[str, float | None]:
    """Agent in the azygos system and along the catheter."""
    first = first_azygos(cast)
    route = cast.mesh.route_cells
    length = route_length(cast.mesh)
    full = cast.saturation[route] >= 1.0
    held = full & (cast.solid_fraction[route] >= 1.0)
    return {
        "azygos_mL": float(cast.injection.log["azygos"][-1]) / UL_PER_ML,
        "first_azygos_mL": None if first is None else first[0] / UL_PER_ML,
        "first_azygos_s": None if first is None else first[1],
        "catheter_mm": float(length[full].sum()),
        "entrapment_mm": float(length[held].sum()),
    }


def annulus_area(cast: Cast) -> FloatArray:
    """Cross-section open to agent in every cell, mm2."""
    flow = cast.mesh.flow
    lumen = np.pi * flow.cell_radius * flow.cell_radius_minor
    catheter = np.pi * np.maximum(flow.cell_radius - flow.cell_gap, 0.0) ** 2
    return np.where(flow.cell_gap > 0, lumen - catheter, lumen)


def mesh_size(cast: Cast) -> dict[str, int]:
    """Cells and faces of the mesh that the injection ran on, beyond its window too."""
    flow = cast.mesh.flow if cast.voxels is None else cast.voxels.mesh.flow
    return {"cells": flow.n_cells, "faces": flow.n_faces}


def layered_fraction(cast: Cast) -> float:
    """Share of the cast where agent sinks ten times faster than it is pushed.

    What lies in cubes does not count: there it can sink.
    """
    graph, state = cast.injection.graph, cast.injection.state
    agent = cast.scenario.agent_model()
    gravity = float(np.linalg.norm(cast.scenario.patient.gravity()))
    contrast = abs(agent.density - cast.rest.physiology.blood_density) * gravity
    sink = contrast * graph.gel_radius**2 / (PIPE_BUOYANCY * agent.viscosity)
    filled = state.full == 1
    if not filled.any():
        return 0.0
    # the cell's own length over the time it took to fill
    area = annulus_area(cast)
    if cast.voxels is None:
        area = area[cast.window]
    else:
        area = area[cast.voxels.mesh.line_cell[cast.voxels.window]]
        filled &= cast.voxels.window < cast.voxels.mesh.n_lines
    with np.errstate(invalid="ignore"):  # inf - inf where agent never came
        took = np.maximum(state.full_time - state.first_time, np.finfo(float).tiny)
        pushed = graph.volume / area / took
    layered = filled & (sink > BUOYANT_EXCESS * pushed)
    share = state.agent_volume[layered].sum() / state.agent_volume.sum()
    return min(1.0, float(share))


def warnings(cast: Cast) -> list[str]:
    """What in this run goes against the makers' instructions, the vein's bearing or the model."""
    agent, run = cast.scenario.agent_model(), cast.injection
    lines = []
    towards = towards_cord(cast, cast.injected)
    if towards.alarms:
        came = alarmed_from(cast)
        lines.append(
            f"{amount(towards.total_mL)} went towards the spinal cord, from "
            f"{came / UL_PER_ML:.2f} mL injected on; {amount(towards.beyond_mL)} of it reached "
            "intradural veins, where it is not followed"
        )
    if run.largest_rate > agent.max_rate * (1 + 1e-9):
        lines.append(
            f"rate {mL_min_from_uL_s(run.largest_rate):.3g} mL/min is above the maker's "
            f"{mL_min_from_uL_s(agent.max_rate):.3g} mL/min"
        )
    if run.longest_pause > agent.max_pause:
        lines.append(
            f"pause of {run.longest_pause:.0f} s is longer than the maker's {agent.max_pause:.0f} s"
        )
    if run.first_rate > agent.dmso_max_rate:
        lines.append(
            f"DMSO at {mL_min_from_uL_s(run.first_rate):.3g} mL/min is faster than the "
            f"{mL_min_from_uL_s(agent.dmso_max_rate):.3g} mL/min that was tolerated in tests"
        )
    if run.dmso > agent.dmso_max_dose:
        lines.append(
            f"DMSO dose {run.dmso / UL_PER_ML:.2f} mL is above the "
            f"{agent.dmso_max_dose / UL_PER_ML:.2f} mL that was tolerated in tests"
        )
    if run.burst_pressure > agent.wall_strength:
        lines.append(
            f"rupture risk: the tip reached {run.burst_pressure / PA_PER_MMHG:.0f} mmHg, a small "
            f"vein bears about {agent.wall_strength / PA_PER_MMHG:.0f} mmHg"
        )
    if run.slips:
        times = "once" if run.slips == 1 else f"{run.slips} times"
        lines.append(f"the plug round the catheter slipped {times}")
    distended = len(cast.mesh.distended_cells)
    if distended:
        narrow = float(
            (cast.mesh.flow.cell_volume / annulus_area(cast))[cast.mesh.distended_cells].sum()
        )
        lines.append(f"the vein is narrower than the catheter over {narrow:.0f} mm")
    if cast.voxels is not None:
        lines.append(SEVERAL)
    layered = layered_fraction(cast)
    if layered > MOSTLY:
        sinks = "would sink ten times faster than it is pushed"
        lines.append(
            f"in {layered:.0%} of the cast agent {sinks}: the layer on the floor of a vein is not "
            "resolved (--mesh voxel does so in wide veins)"
            if cast.voxels is None
            else f"{layered:.0%} of the cast lies in veins too narrow for cubes, in which agent "
            f"{sinks}: they fill as a whole"
        )
    return lines


def structures(cast: Cast) -> list[dict[str, object]]:
    """Fill of every vein that holds agent, by structure, level and side."""
    flow = cast.mesh.flow
    agent = cast.saturation * flow.cell_volume
    key = np.stack([flow.cell_structure, flow.cell_level, flow.cell_side], axis=1)
    touched = np.unique(key[agent > 0], axis=0)
    rows: list[dict[str, object]] = []
    for code in touched:
        here = (key == code).all(axis=1)
        held = here & (agent > 0)
        rows.append(
            {
                "structure": Structure(code[0]).label,
                "level": Level(code[1]).name,
                "side": Side(code[2]).name.lower(),
                "volume_mL": float(agent[here].sum()) / UL_PER_ML,
                "filled_fraction": min(
                    1.0, float(agent[here].sum() / flow.cell_volume[here].sum())
                ),
                "reach_mm": reach(cast, held),
            }
        )
    return rows


def reach(cast: Cast, held: NDArray[np.bool_]) -> float:
    """Way along the vein from where agent first came to its farthest cell, mm.

    `held` (n,) flags the cells of one vein that hold agent. In each of its pieces, which are not
    joined within the vein, the way begins where agent first came into that one.
    """
    flow = cast.mesh.flow
    cell = np.flatnonzero(held)
    place = np.full(flow.n_cells, -1)
    place[cell] = np.arange(len(cell))
    inside = held[flow.face_owner] & held[flow.face_neighbour]
    ends = place[flow.face_owner[inside]], place[flow.face_neighbour[inside]]
    graph = coo_array((flow.face_length[inside], ends), shape=(len(cell),) * 2).tocsr()
    _, piece = connected_components(graph, directed=False)
    order = np.argsort(cast.first_volume[cell], kind="stable")
    _, first = np.unique(piece[order], return_index=True)
    way = dijkstra(graph, directed=False, indices=order[first], min_only=True)
    return float(way.max())


def foramina_touched(cast: Cast) -> list[str]:
    """Roots whose foramen holds a vein that agent fills."""
    flow = cast.mesh.flow
    held = (flow.cell_structure == Structure.FORAMINAL) & np.isfinite(cast.full_volume)
    pairs = np.unique(np.stack([flow.cell_level[held], -flow.cell_side[held]], axis=1), axis=0)
    return [f"{Level(level).name} {Side(-side).name.lower()}" for level, side in pairs]


def dose_curve(cast: Cast) -> dict[str, list[float]]:
    """Coverage and volumes by compartment against the injected volume."""
    volume = np.linspace(0.0, cast.injected, DOSE_POINTS + 1)
    groups = {
        "foraminal_mL": (Compartment.FORAMINAL,),
        "epidural_mL": (Compartment.EPIDURAL,),
        "segmental_mL": SEGMENTAL,
    }
    cells = {name: np.flatnonzero(cast.in_compartment(*parts)) for name, parts in groups.items()}
    room = cast.mesh.flow.cell_volume
    rows = []
    for v in volume:
        share = cast.saturation_at(v)
        held = [float((share[c] * room[c]).sum()) / UL_PER_ML for c in cells.values()]
        rows.append((cast.coverage_at(v), *held))
    coverage, *contents = ([row[k] for row in rows] for k in range(1 + len(cells)))
    return {
        "volume_mL": (volume / UL_PER_ML).tolist(),
        "coverage_deg": coverage,
        "azygos_mL": (cast.log_at("azygos", volume) / UL_PER_ML).tolist(),
        "embolised_mL": (cast.log_at("embolised", volume) / UL_PER_ML).tolist(),
        "hazard_mL": (cast.log_at("hazard", volume) / UL_PER_ML).tolist(),
        **dict(zip(cells, contents, strict=True)),
    }
