"""Outcome: one run of an ensemble, and how what is kept of it (columns.py) is measured."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from castsim.cast import Cast
from castsim.ensembles.columns import CONTENTS, CURVES, Outcome
from castsim.ensembles.sampling import Draw, drawn_priors, drawn_scenario
from castsim.ensembles.study import Study
from castsim.errors import UnreachableError
from castsim.scenario import Scenario
from castsim.simulate import run
from castsim.units import PA_PER_MMHG, UL_PER_ML, mL_min_from_uL_s
from castsim.venous_flow import AZYGOS_SYSTEM
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LOCAL_VEINS = (
    Structure.FORAMINAL,
    Structure.PARASPINAL,
    Structure.POSTERIOR_INTERCOSTAL,
    Structure.SUBCOSTAL,
    Structure.LUMBAR,
    Structure.ILIOLUMBAR,
)
"""Veins of one level: agent in those of another level counts as spread to it."""


def simulate(study: Study, draw: Draw) -> list[Outcome]:
    """All arms of one draw; an arm that fails or cannot be reached says why, and stops no other."""
    outcomes = []
    for label, arm in study.arms.items():
        inputs: dict[str, float] = {}
        seeds = draw.patient_seed, draw.gate_seed
        try:
            priors = drawn_priors(arm, study.priors)
            scenario, inputs = drawn_scenario(arm, priors, draw, study.largest_mL)
            outcome = _read(run(scenario), study, draw, label, inputs)
        except (OSError, MemoryError):
            raise  # the machine's trouble, not the draw's: the same command goes on elsewhere
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            lacks = isinstance(error, UnreachableError)
            outcome = Outcome(draw.number, label, *seeds, inputs, error=text, unreachable=lacks)
        outcomes.append(outcome)
    return outcomes


def _read(cast: Cast, study: Study, draw: Draw, label: str, inputs: dict[str, float]) -> Outcome:
    from castsim.metrics import layered_fraction, reflux

    log, injection = cast.injection.log, cast.injection
    pressure = log["tip_pressure"]
    over = np.flatnonzero(pressure > cast.scenario.agent_model().wall_strength)
    everything = np.ones(cast.mesh.flow.n_cells, dtype=bool)
    return Outcome(
        draw=draw.number,
        arm=label,
        patient_seed=draw.patient_seed,
        gate_seed=draw.gate_seed,
        inputs=inputs,
        found=found(cast),
        injected_mL=cast.injected / UL_PER_ML,
        stalled=injection.stop_reason.startswith("stalled"),
        truncated=injection.truncated,
        coverable_deg=cast.coverage.degrees(everything),
        max_tip_pressure_mmHg=float(pressure.max()) / PA_PER_MMHG,
        over_pressure_mL=float(log["volume"][over[0]]) / UL_PER_ML if len(over) else np.inf,
        catheter_reflux_mm=float(reflux(cast)["catheter_mm"] or 0.0),
        layered_fraction=layered_fraction(cast),
        volume_balance_error=injection.balance_error,
        curves=curves(cast, study.volumes_mL() * UL_PER_ML),
    )


def curves(cast: Cast, volume: FloatArray) -> dict[str, NDArray[np.float32]]:
    """Every one of `CURVES` at injected volumes (mm3); level after the run has ended."""
    flow, target = cast.mesh.flow, cast.scenario.target
    local = np.isin(flow.cell_structure, LOCAL_VEINS) & (flow.cell_level != target.root)
    held = {
        "adjacent_mL": local,
        "basivertebral_mL": flow.cell_structure == Structure.BASIVERTEBRAL,
        "beyond_tip_mL": _beyond_tip(cast),
    }
    held |= {name: cast.in_compartment(*parts) for name, parts in CONTENTS.items()}
    reached = np.flatnonzero(np.isfinite(cast.first_volume))
    room = flow.cell_volume[reached] / UL_PER_ML
    weight = np.stack([room * inside[reached] for inside in held.values()])
    contents = np.empty((len(volume), len(held)))
    coverage = np.empty(len(volume))
    for k, v in enumerate(volume):
        share = cast.saturation_at(float(v))
        contents[k] = weight @ share[reached]
        coverage[k] = cast.coverage.degrees(share >= 1.0)
    columns = {"coverage_deg": coverage, **dict(zip(held, contents.T, strict=True))}
    for name in ("azygos", "embolised", "hazard"):
        columns[f"{name}_mL"] = cast.log_at(name, volume) / UL_PER_ML
    columns |= {
        name: _farthest(cast, *far, volume) for name, far in _distances(cast, local).items()
    }
    return {name: columns[name].astype(np.float32) for name in CURVES}


def _distances(cast: Cast, local: BoolArray) -> dict[str, tuple[BoolArray, FloatArray]]:
    """Of the columns of distances: which cells count, and how far each lies, (n,) each."""
    flow, target = cast.mesh.flow, cast.scenario.target
    here = (flow.cell_level == target.root) & (flow.cell_side == target.side_code)
    foramen = flow.cell_centroid[here & (flow.cell_structure == Structure.FORAMINAL)]
    reached = np.flatnonzero(np.isfinite(cast.first_volume))
    straight = np.zeros(flow.n_cells)
    straight[reached] = KDTree(foramen).query(flow.cell_centroid[reached])[0]
    levels = np.abs(flow.cell_level - target.root).astype(float)
    return {
        "adjacent_levels": (local, levels),
        "epidural_reach_mm": (cast.in_compartment(Compartment.EPIDURAL), straight),
        "segmental_reach_mm": (here & np.isin(flow.cell_structure, LOCAL_VEINS[1:]), straight),
    }


def _farthest(cast: Cast, where: BoolArray, distance: FloatArray, volume: FloatArray) -> FloatArray:
    """Largest `distance` of the cells `where` that agent has come to by each volume; 0: none."""
    cell = np.flatnonzero(where & np.isfinite(cast.first_volume))
    cell = cell[np.argsort(cast.first_volume[cell], kind="stable")]
    largest = np.maximum.accumulate(np.concatenate([[0.0], distance[cell]]))
    return largest[np.searchsorted(cast.first_volume[cell], volume, side="right")]


def _beyond_tip(cast: Cast) -> BoolArray:
    """Cells neither beside the catheter, the tip's own apart, nor in the azygos system, (n,)."""
    beyond = ~np.isin(cast.mesh.flow.cell_structure, AZYGOS_SYSTEM)
    beyond[cast.mesh.route_cells[1:]] = False
    return beyond


def found(cast: Cast) -> dict[str, float]:
    """What of `FOUND` this patient has; NaN where there is no such vein."""
    flow, scenario = cast.mesh.flow, cast.scenario
    root, side = scenario.target.root, scenario.target.side_code
    here = (flow.cell_level == root) & (flow.cell_side == side)
    calibre = 2.0 * np.sqrt(flow.cell_radius * flow.cell_radius_minor)
    epidural = cast.in_compartment(Compartment.EPIDURAL) & (flow.cell_level == root)
    segmental = here & np.isin(flow.cell_structure, LOCAL_VEINS[2:])
    return {
        "foraminal_calibre_mm": _mean(calibre[here & (flow.cell_structure == Structure.FORAMINAL)]),
        "epidural_calibre_mm": _mean(calibre[epidural]),
        "paraspinal_calibre_mm": _mean(
            calibre[here & (flow.cell_structure == Structure.PARASPINAL)]
        ),
        "intersegmental_links": float(_links(scenario, cast)),
        "segmental_flow_mL_min": _mean(mL_min_from_uL_s(1.0) * cast.rest.cell_flow[segmental]),
    }


def _links(scenario: Scenario, cast: Cast) -> int:
    root, side = scenario.target.root, scenario.target.side_code
    joined = cast.anatomy.variant.intersegmental
    above = max((level for level in Level if level < root), default=root)
    return int((root, side) in joined) + int((above, Side(side)) in joined)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else np.nan
