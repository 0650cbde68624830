"""The same injections on lines and on cubes: how far apart the casts lie, and how far they may.

`python -m benchmarks.compare_meshes right-t9 left-t7` writes a Markdown table a scenario, which
`docs/voxel_injection.md` quotes. Each is injected into four times. A liquid that no front holds,
without weight, and much faster than blood flows: all that only cubes show is the shape of a
junction and of a front. With fronts that hold; as slowly as planned, so that blood flows past
agent; and with its weight, so that agent sinks.

**Band.** Two parts, and their sum: meshes that stand for the same veins can lie as far apart as
each of them lies from itself. Cubes hold and conduct a little more or less than the veins for
which they stand, and touch a little farther; a step is 1 to 3 % of what came: the centreline mesh
is injected into with what the cubes of four displaced grids hold and conduct
(:mod:`benchmarks.sections`), and the first part is how far the farthest of these casts lies from
the plain one. Where the grid of the cubes begins means nothing: the second part is how far the
farthest of the casts on these cubes lies from that on castsim's. No cast on lines is compared with
one on cubes for that. A fault of the mesh of cubes would widen the first part: what speaks against
one are the flows of blood at rest and the resistance that the tip meets
(`tests/verification/test_voxel_window.py`).

**Beyond it** is what a section of a line cannot show: agent in part of it, beside blood. The last
column tells how large that is: how far the cast on cubes lies from that in the same cubes when
those of a section are one cell.
"""

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from unittest.mock import patch

import numpy as np
from scipy.stats import kendalltau

import castsim
from benchmarks.sections import as_sections
from castsim import simulate
from castsim.cast import Cast
from castsim.errors import CastsimError
from castsim.scenario import DEFAULT_ETA
from castsim.scenario_file import load_scenario
from castsim.units import UL_PER_ML, g_mL_from_g_mm3
from castsim.venous_flow import VenousFlow
from castsim.voxel_cast import VoxelCast
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
from geometry.lumen import Grid

VOLUMES_ML = 0.05, 0.1, 0.15
SPACING_MM = 0.3
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
SHIFTS = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.3, 0.1, 0.7), (0.6, 0.8, 0.2), (0.8, 0.4, 0.9))
"""Parts of a cube by which the grid is displaced; first that of castsim."""


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


def displaced(name: str, given: list[str], shift: tuple[float, ...]) -> Cast:
    """Inject into cubes of a grid that begins elsewhere."""
    around = Grid.around

    def moved(low: FloatArray, high: FloatArray, step: float) -> Grid:
        return around(low - step * np.array(shift), high, step)

    with patch.object(Grid, "around", moved):
        return castsim.run(load_scenario(name, given))


def in_sections(name: str, given: list[str], sections: FlowMesh, kept: IntArray) -> Cast:
    """Inject into the centreline mesh with the faces and volumes of `sections`."""
    exact = simulate.resting_flow

    def summed(mesh: FlowMesh, *others: object) -> VenousFlow:
        rest = exact(mesh, *others)  # type: ignore[arg-type]
        opened = np.ones(sections.n_faces, dtype=bool)
        opened[: len(kept)] = rest.valve_open[kept]
        ends = {end: getattr(rest.mesh, end) for end in vars(mesh) if end.startswith("terminal")}
        return replace(
            rest,
            mesh=replace(sections, **ends),
            face_flow=np.full(sections.n_faces, np.nan),
            valve_open=opened,
        )

    with patch.object(simulate, "resting_flow", summed):
        return castsim.run(load_scenario(name, given))


def compare(name: str, spacing: float) -> Iterator[str]:
    """Lines of the part of the page about one scenario."""
    yield f"**{name}**"
    yield ""
    yield (
        "| agent | mL | full, cubes | coverage, lines / cubes | apart (band) | elsewhere "
        "| order | lungs | elsewhere within sections |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
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
    steps = np.geomspace(DEFAULT_ETA["centreline"], DEFAULT_ETA["voxel"], len(SHIFTS) - 1)
    meshes: list[tuple[FlowMesh, IntArray]] = []
    for words, given in kinds.items():
        lines = castsim.run(load_scenario(name, given))
        voxel = [*given, "mesh.kind=voxel", f"mesh.spacing_mm={spacing}"]
        casts = [displaced(name, voxel, shift) for shift in SHIFTS]
        if not meshes:
            viscosity = float(np.median(lines.rest.viscosity))
            meshes = [
                as_sections(cast.voxels.mesh, lines.rest.mesh, viscosity)
                for cast in casts
                if cast.voxels is not None
            ]
        summed = [
            in_sections(name, [*given, f"mesh.eta={eta}"], *mesh)
            for mesh, eta in zip(meshes[1:], steps, strict=True)
        ]
        cubes = casts[0]
        alike = in_sections(name, [*given, f"mesh.eta={steps[-1]}"], *meshes[0])
        assert cubes.voxels is not None
        for volume in (volume * UL_PER_ML for volume in VOLUMES_ML):
            parts = [
                [astuple(apart(one, other, volume, cubes.voxels)) for other in others]
                for one, others in ((lines, summed), (cubes, casts[1:]))
            ]
            band = np.sum([np.max(part, axis=0) for part in parts], axis=0)
            found = apart(lines, cubes, volume, cubes.voxels)
            within = apart(alike, cubes, volume, cubes.voxels).elsewhere
            assert np.isfinite([*band, *astuple(found), within]).all()
            yield row(words, lines, cubes, volume, found, Apart(*band.tolist()), within)
    yield ""


def row(
    words: str,
    lines: Cast,
    cubes: Cast,
    volume: float,
    found: Apart,
    band: Apart,
    within: float,
) -> str:
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
    cells.append(f"{within:.1%}".replace("%", " %"))
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
