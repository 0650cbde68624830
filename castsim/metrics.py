"""What a cast is judged by: the numbers of ``cast.json``, read from one finished run."""

import numpy as np
from numpy.typing import NDArray

from castsim.cast import Cast
from castsim.schema import CastReport
from castsim.units import PA_PER_MMHG, UL_PER_ML, mL_min_from_uL_s
from castsim.venous_flow import AZYGOS_SYSTEM
from geometry.coverage import STATIONS
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

FloatArray = NDArray[np.float64]

DOSE_POINTS = 100
"""Rows of the dose curve beside its start."""
SEGMENTAL = (Compartment.SEGMENTAL, Compartment.INTERSEGMENTAL)
BUOYANT_EXCESS = 10.0
"""Buoyant speed over injected speed from which a cell counts as layered."""
PIPE_BUOYANCY = 8.0
"""A column of radius R sinks at drho g R^2 / (8 mu): Poiseuille driven by its own weight."""


def summarise(cast: Cast) -> dict[str, object]:
    """Everything that ``cast.json`` holds, by its schema ``castsim.cast/1``.

    ``timing_s.output`` counts the metrics only; who writes the files adds to it.
    """
    run = cast.injection
    deg = cast.coverage_at(cast.injected)
    everything = np.ones(cast.mesh.flow.n_cells, dtype=bool)
    coverable = cast.coverage.degrees(everything)
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
        "mesh": {"cells": cast.mesh.flow.n_cells, "faces": cast.mesh.flow.n_faces},
        "timing_s": {**cast.timing, "output": 0.0},
    }
    return CastReport.model_validate(report).model_dump(mode="json", by_alias=True)


def first_azygos(cast: Cast) -> tuple[float, float] | None:
    """Volume (mm3) and time (s) when agent first entered the azygos system; None: never."""
    log = cast.injection.log
    rows = np.flatnonzero(log["azygos"] > 0)
    if len(rows) == 0:
        return None
    row = int(rows[0])
    azygos = np.isin(cast.mesh.flow.cell_structure, AZYGOS_SYSTEM)
    swept = (cast.swept_volume > 0) & (cast.rest.azygos_fraction > 0)
    began = np.concatenate([cast.first_volume[azygos], cast.first_swept[swept], [np.inf]]).min()
    low, high = log["volume"][row - 1], log["volume"][row]
    volume = float(np.clip(began, low, high))
    share = (volume - low) / (high - low) if high > low else 1.0
    time = log["time"][row - 1] + share * (log["time"][row] - log["time"][row - 1])
    return volume, float(time)


def reflux(cast: Cast) -> dict[str, float | None]:
    """Agent in the azygos system and back along the catheter."""
    first = first_azygos(cast)
    flow, route = cast.mesh.flow, cast.mesh.route_cells
    # half a cell at each end of the run belongs to it
    length = flow.cell_volume / annulus_area(cast)
    full = cast.saturation[route] >= 1.0
    run = len(full) if full.all() else int(np.argmin(full))
    held = full & (cast.solid_fraction[route] >= 1.0)
    return {
        "azygos_mL": float(cast.injection.log["azygos"][-1]) / UL_PER_ML,
        "first_azygos_mL": None if first is None else first[0] / UL_PER_ML,
        "first_azygos_s": None if first is None else first[1],
        "catheter_mm": float(length[route[:run]].sum()),
        "entrapment_mm": float(length[route[held]].sum()),
    }


def annulus_area(cast: Cast) -> FloatArray:
    """Cross-section open to agent in every cell, mm2."""
    flow = cast.mesh.flow
    lumen = np.pi * flow.cell_radius * flow.cell_radius_minor
    catheter = np.pi * np.maximum(flow.cell_radius - flow.cell_gap, 0.0) ** 2
    return np.where(flow.cell_gap > 0, lumen - catheter, lumen)


def layered_fraction(cast: Cast) -> float:
    """Share of the cast where agent sinks ten times faster than it is pushed."""
    graph, state = cast.injection.graph, cast.injection.state
    agent = cast.scenario.agent_model()
    gravity = float(np.linalg.norm(cast.scenario.patient.gravity()))
    contrast = abs(agent.density - cast.rest.physiology.blood_density) * gravity
    sink = contrast * graph.gel_radius**2 / (PIPE_BUOYANCY * agent.viscosity)
    filled = state.full == 1
    if not filled.any():
        return 0.0
    # the cell's own length over the time it took to fill
    area = np.pi * graph.gel_radius**2
    with np.errstate(invalid="ignore"):  # inf - inf where agent never came
        took = np.maximum(state.full_time - state.first_time, np.finfo(float).tiny)
        pushed = graph.volume / area / took
    layered = filled & (sink > BUOYANT_EXCESS * pushed)
    share = state.agent_volume[layered].sum() / state.agent_volume.sum()
    return min(1.0, float(share))


def warnings(cast: Cast) -> list[str]:
    """What in this run goes against the makers' instructions or the vein's bearing."""
    agent, run = cast.scenario.agent_model(), cast.injection
    lines = []
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
        lines.append(f"the plug round the catheter slipped {run.slips} times")
    distended = len(cast.mesh.distended_cells)
    if distended:
        narrow = float(
            (cast.mesh.flow.cell_volume / annulus_area(cast))[cast.mesh.distended_cells].sum()
        )
        lines.append(f"the vein is narrower than the catheter over {narrow:.0f} mm")
    return lines


def structures(cast: Cast) -> list[dict[str, object]]:
    """Fill of every vein that holds agent, by structure, level and side."""
    flow = cast.mesh.flow
    agent = cast.saturation * flow.cell_volume
    length = flow.cell_volume / annulus_area(cast)
    key = np.stack([flow.cell_structure, flow.cell_level, flow.cell_side], axis=1)
    touched = np.unique(key[agent > 0], axis=0)
    rows: list[dict[str, object]] = []
    for code in touched:
        here = (key == code).all(axis=1)
        held = here & (agent > 0)
        reach = max(
            float((cast.saturation * length)[held & (flow.cell_branch == branch)].sum())
            for branch in np.unique(flow.cell_branch[held])
        )
        rows.append(
            {
                "structure": Structure(code[0]).label,
                "level": Level(code[1]).name,
                "side": Side(code[2]).name.lower(),
                "volume_mL": float(agent[here].sum()) / UL_PER_ML,
                "filled_fraction": min(
                    1.0, float(agent[here].sum() / flow.cell_volume[here].sum())
                ),
                "reach_mm": reach,
            }
        )
    return rows


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
    reached = np.isfinite(cast.first_volume)
    curve: dict[str, list[float]] = {
        "volume_mL": (volume / UL_PER_ML).tolist(),
        "coverage_deg": [cast.coverage_at(v) for v in volume],
        "azygos_mL": (cast.log_at("azygos", volume) / UL_PER_ML).tolist(),
        "embolised_mL": (cast.log_at("embolised", volume) / UL_PER_ML).tolist(),
    }
    for name, parts in groups.items():
        cells = np.flatnonzero(cast.in_compartment(*parts) & reached)
        room = cast.mesh.flow.cell_volume[cells] / UL_PER_ML
        curve[name] = [float((cast.saturation_at(v, cells) * room).sum()) for v in volume]
    return curve
