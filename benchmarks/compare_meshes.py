"""The same injections on lines and on cubes: how far apart the casts lie, and how far they may.

`python -m benchmarks.compare_meshes right-t9 left-t7` writes a Markdown table a scenario, which
`docs/voxel_injection.md` quotes. Each is injected into four times. A liquid that no front holds,
without weight, and much faster than blood flows: all that only cubes show is the shape of a
junction and of a front. With fronts that hold; as slowly as planned, so that blood flows past
agent; and with its weight, so that agent sinks.

**Band.** Two parts, and their sum: meshes that stand for the same veins can lie as far apart as
each of them lies from itself. Cubes conduct and hold a little more or less than the veins for
which they stand, and a step is 1 to 3 % of what came: the centreline mesh is injected into anew
with just these errors, drawn for every vein by how many cubes its radius is, and 19 of 20 of these
casts lie no farther from the plain one than the first part. Where the grid of the cubes begins
means nothing: cubes are displaced by parts of a cube, and the second part is how far the farthest
of these casts lies from the first. No cast on one mesh is compared with one on the other for that.
"""

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from unittest.mock import patch

import numpy as np
from scipy.stats import kendalltau

import castsim
from castsim import simulate
from castsim.cast import Cast
from castsim.errors import CastsimError
from castsim.scenario import DEFAULT_ETA
from castsim.scenario_file import load_scenario
from castsim.units import UL_PER_ML, g_mL_from_g_mm3
from castsim.venous_flow import VenousFlow
from castsim.voxel_cast import VoxelCast
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh
from geometry.lumen import Grid

VOLUMES_ML = 0.05, 0.1, 0.15
SPACING_MM = 0.3
DRAWS = 40
STILL = ("patient.azygos_outflow_mL_min=0.5", "injection.rate_mL_min=5")
"""Blood at rest is slow, and agent faster than in practice: it sweeps blood before it."""
FREE = (
    "model.tension_Pa_mm=0",
    "model.skin_yield_Pa=0",
    "model.diffusivity_mm2_s=1e-12",
    "model.wall_hold_Pa=1e9",
    "model.sweep_ratio=1e9",
)
"""No front holds, nothing sets, and blood tears nothing off."""
SHIFTS = ((0.5, 0.5, 0.5), (0.3, 0.1, 0.7), (0.6, 0.8, 0.2), (0.8, 0.4, 0.9))
"""Parts of a cube by which the grid is displaced."""
SHARE = 0.95
"""Of the casts with errors, that lie in the band."""
CUBES = np.array([2.0, 3.0, 5.0, 8.0])
"""Cubes a radius for which the errors below are known (docs/theory.md, section 2)."""
LEAST, MOST = np.array([0.902, 0.968, 0.992, 0.996]), np.array([1.113, 1.037, 1.013, 1.005])
"""Conductance of a tube over Poiseuille's, of 5 directions and 3 offsets."""
BALL = np.array([2.0, 5.0, 8.0]), np.array([0.062, 0.011, 0.004])
"""Cubes a radius, and by how much the volume of a ball is off (docs/verification.md)."""


@dataclass(frozen=True)
class Apart:
    """How far two casts lie from each other when as much has been injected into both.

    Attributes
    ----------
    coverage : of the root, deg, both casts as the cubes show them: of a vein that is full on lines
        all cubes are
    elsewhere : share of what was injected that lies in another vein, or left from one only
    disorder : share of the pairs of sections, reached by either, that came the other way round
    lungs : share of what was injected that left towards the lungs from one only
    """

    coverage: float
    elsewhere: float
    disorder: float
    lungs: float


def apart(one: Cast, two: Cast, volume: float, cubes: VoxelCast) -> Apart:
    """Measure how far two casts in the same veins lie apart at `volume` (mm3).

    Parameters
    ----------
    cubes : any cast on these, for their place
    """
    places = content(one, volume), content(two, volume)
    reached = [np.minimum(cast.first_volume, volume) for cast in (one, two)]
    # a short section may be no cube's own
    own = np.bincount(cubes.mesh.line_cell, minlength=len(reached[0])) > 0
    either = own & (np.minimum(*reached) < volume)
    agreement = kendalltau(reached[0][either], reached[1][either]).statistic
    return Apart(
        coverage=abs(covered(one, volume, cubes) - covered(two, volume, cubes)),
        elsewhere=float(np.abs(places[0] - places[1]).sum()) / (2.0 * volume),
        disorder=0.5 * (1.0 - float(agreement)),
        lungs=abs(lost(one, volume) - lost(two, volume)) / volume,
    )


def content(cast: Cast, volume: float) -> FloatArray:
    """Agent by structure, level and side, and what has left the veins, mm3."""
    flow = cast.mesh.flow
    room = flow.cell_volume if cast.voxels is not None else cast.rest.mesh.cell_volume
    sides = flow.cell_side + 1
    shape = tuple(int(label.max()) + 1 for label in (flow.cell_structure, flow.cell_level, sides))
    vein = np.ravel_multi_index((flow.cell_structure, flow.cell_level, sides), shape)
    held = np.bincount(vein, cast.saturation_at(volume) * room, int(np.prod(shape)))
    return np.append(held, volume - held.sum())


def filled(cast: Cast, volume: float) -> float:
    """Share of the sections that agent has reached which it fills."""
    room = cast.mesh.flow.cell_volume
    return float(cast.saturation_at(volume) @ room / room[cast.first_volume < volume].sum())


def lost(cast: Cast, volume: float) -> float:
    """Agent that had left towards the lungs, mm3."""
    return float(cast.log_at("embolised", np.array([volume]))[0])


def covered(cast: Cast, volume: float, cubes: VoxelCast) -> float:
    """Degrees of the root beside full cubes; a section of a line counts as those of `cubes`."""
    if cast.voxels is not None:
        return cast.voxels.coverage.degrees(cast.voxels.saturation_at(volume) >= 1.0)
    return cubes.coverage.degrees(cast.saturation_at(volume)[cubes.mesh.line_cell] >= 1.0)


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
    """Share of what was injected, from that of lines to that of cubes, for each draw."""
    least, most = DEFAULT_ETA["centreline"], DEFAULT_ETA["voxel"]
    return np.geomspace(least, most, DRAWS)


def off_casts(name: str, given: list[str], cubes: BoolArray, spacing: float) -> Iterator[Cast]:
    """Casts on the centreline mesh with the errors of cubes and of steps."""
    exact = simulate.resting_flow
    for seed, eta in enumerate(steps()):

        def off(*args: object, seed: int = seed) -> VenousFlow:
            rest = exact(*args)  # type: ignore[arg-type]
            return replace(rest, mesh=blurred(rest.mesh, cubes, spacing, seed))

        with patch.object(simulate, "resting_flow", off):
            yield castsim.run(load_scenario(name, [*given, f"mesh.eta={eta}"]))


def displaced_casts(name: str, given: list[str]) -> Iterator[Cast]:
    """Casts on cubes of a grid that begins elsewhere."""
    around = Grid.around
    for shift in SHIFTS:

        def moved(
            low: FloatArray, high: FloatArray, step: float, shift: tuple[float, ...] = shift
        ) -> Grid:
            return around(low - step * np.array(shift), high, step)

        with patch.object(Grid, "around", moved):
            yield castsim.run(load_scenario(name, given))


def compare(name: str, spacing: float) -> Iterator[str]:
    """Lines of the part of the page about one scenario."""
    yield f"**{name}**"
    yield ""
    yield (
        "| agent | mL | full, cubes | coverage, lines / cubes | apart (band) | elsewhere "
        "| order | lungs |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    scenario = load_scenario(name)
    push = [f"injection.volume_mL={max(VOLUMES_ML)}"]
    even = [*push, f"model.density_g_mL={g_mL_from_g_mm3(scenario.physiology().blood_density)}"]
    still = [*even, *STILL]
    kinds = {
        "free, no weight, still blood": [*still, *FREE],
        "no weight, still blood": still,
        "no weight": even,
        scenario.agent: push,
    }
    for words, given in kinds.items():
        voxel = ["mesh.kind=voxel", f"mesh.spacing_mm={spacing}"]
        cubes = castsim.run(load_scenario(name, [*given, *voxel]))
        lines = castsim.run(load_scenario(name, given))
        assert cubes.voxels is not None
        volumes = [volume * UL_PER_ML for volume in VOLUMES_ML]
        rows = [
            [astuple(apart(lines, other, volume, cubes.voxels)) for volume in volumes]
            for other in off_casts(name, given, cubes.voxels.is_cubes, spacing)
        ]
        bands = np.quantile(rows, SHARE, axis=0, method="higher")
        rows = [
            [astuple(apart(cubes, other, volume, cubes.voxels)) for volume in volumes]
            for other in displaced_casts(name, [*given, *voxel])
        ]
        bands += np.max(rows, axis=0)
        for volume, band in zip(volumes, bands, strict=True):
            found = apart(lines, cubes, volume, cubes.voxels)
            yield row(words, lines, cubes, volume, found, Apart(*band.tolist()))
    yield ""


def row(words: str, lines: Cast, cubes: Cast, volume: float, found: Apart, band: Apart) -> str:
    """One line of the table; what lies outside its band is bold."""
    cells = [words, f"{volume / UL_PER_ML:g}", f"{filled(cubes, volume):.0%}"]
    cells.append(f"{lines.coverage_at(volume):.0f}° / {cubes.coverage_at(volume):.0f}°")
    units = "°", " %", " %", " %"
    for value, bound, unit in zip(astuple(found), astuple(band), units, strict=True):
        factor, digits = (1.0, 0) if unit == "°" else (100.0, 1)
        shown, most = round(factor * value, digits), round(factor * bound, digits)
        words = f"{shown:.{digits}f}{unit}"
        words = f"**{words}**" if shown > most else words
        cells.append(f"{words} ({most:.{digits}f})")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Write the table of each scenario asked for."""
    words = "Compare casts on lines and on cubes, as Markdown."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_meshes", description=words)
    parser.add_argument("scenario", nargs="*", default=["right-t9"], help="bundled, or a file")
    parser.add_argument("--spacing-mm", type=float, default=SPACING_MM, help="side of the cubes")
    asked = parser.parse_args()
    try:
        for name in asked.scenario:
            for line in compare(name, asked.spacing_mm):
                print(line, flush=True)
    except CastsimError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
