"""The same injections on lines and on cubes: how far apart the casts lie, and how far they may.

`python -m benchmarks.compare_meshes right-t9 left-t7` writes a Markdown table a scenario, which
`docs/voxel_injection.md` quotes; it takes half an hour each. Each is injected into four times. A
liquid that no front holds, without weight, and much faster than blood flows: all that only cubes
show is the shape of a junction and of a front. With fronts that hold; as slowly as planned, so that
blood flows past agent; and with its weight, so that agent sinks.

**Band.** L is the cast on lines, C that on cubes, and S that on the *sections* of these cubes
(:mod:`benchmarks.sections`: the centreline mesh with what cubes hold and conduct). With the grid
displaced, a cube's part in each direction, there is an S' and a C' for every grid, and whatever
distance is asked for::

    LC  <=  LS' + S'C' + C'C

LS' is what cubes hold and conduct too much or too little, touch too far, and what the step of the
injection decides (1 to 3 % of what came, another for each grid). C'C is where the grid begins,
which means nothing. S'C' is what a section of one cell cannot show, agent in part of it, beside
blood; if that were nothing, LC would be no more than LS' + C'C. The band is the sum of the farthest
of either, of as many grids as leave one more of them a chance of 1 in 20 to lie beyond it. No cast
on lines is compared with one on cubes for that. A fault of the mesh of cubes would widen the first
part: what speaks against one are the flows of blood at rest and the resistance that the tip meets
(`tests/verification/test_voxel_window.py`).

**Beyond it**, what lies beyond is less than S'C' of every grid: agent lies in a part of sections.
The last columns tell how large SC is in castsim's own grid, and where in sections that it fills in
part agent lies (:mod:`benchmarks.within_sections`).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from unittest.mock import patch

import numpy as np
from scipy.stats import kendalltau
from scipy.stats.qmc import Halton

import castsim
from benchmarks.sections import as_sections
from benchmarks.within_sections import in_the_middle, on_the_floor
from castsim import simulate
from castsim.cast import Cast
from castsim.errors import CastsimError
from castsim.scenario import DEFAULT_ETA, Scenario
from castsim.scenario_file import load_scenario
from castsim.units import UL_PER_ML, g_mL_from_g_mm3
from castsim.venous_flow import VenousFlow
from castsim.voxel_cast import VoxelCast
from castsim.voxels import cut_into_cubes
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.levels import Level
from geometry.lumen import Grid
from geometry.voxel_mesh import VoxelMesh

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
GRIDS = 19
"""Displaced grids: one more of them lies beyond all these by a chance of 1 in 20."""
SHIFTS = Halton(3, scramble=False).random(1 + GRIDS)
"""Parts of a cube by which the grid is displaced; first that of castsim, 0."""
AROUND = Grid.around


@dataclass(frozen=True)
class Shown:
    """What is compared of a cast when `volume` (mm3) has been injected.

    Attributes
    ----------
    volume : mm3
    content : agent by structure, level and side, and what has left the veins, mm3
    reached : (c,) mm3 out of the tip when agent came into each section, at most `volume`
    own : (c,) sections that have cubes or are lines; a short one may have no cube
    covered : of the root, deg, as the cubes show it: of a vein that is full on lines all cubes are
    lost : mm3 that left towards the lungs
    """

    volume: float
    content: FloatArray
    reached: FloatArray
    own: BoolArray
    covered: float
    lost: float


def shown(cast: Cast, volume: float, cubes: VoxelCast) -> Shown:
    """Read off a `cast`; `cubes` tell the place of those for which its sections stand."""
    return Shown(
        volume,
        content(cast, volume),
        np.minimum(cast.first_volume, volume),
        np.bincount(cubes.mesh.line_cell, minlength=len(cast.first_volume)) > 0,
        covered(cast, volume, cubes),
        float(cast.log_at("embolised", np.array([volume]))[0]),
    )


@dataclass(frozen=True)
class Apart:
    """How far two casts lie from each other when as much has been injected into both.

    Attributes
    ----------
    coverage : of the root, deg
    elsewhere : share of what was injected that lies in another vein, or left from one only
    disorder : share of the pairs of sections, reached by either, that came the other way round
    lungs : share of what was injected that left towards the lungs from one only
    """

    coverage: float
    elsewhere: float
    disorder: float
    lungs: float


def apart(one: Shown, two: Shown) -> Apart:
    """Measure how far two casts in the same veins lie apart."""
    volume = one.volume
    either = one.own & two.own & (np.minimum(one.reached, two.reached) < volume)
    agreement = kendalltau(one.reached[either], two.reached[either]).statistic
    return Apart(
        coverage=abs(one.covered - two.covered),
        elsewhere=float(np.abs(one.content - two.content).sum()) / (2.0 * volume),
        disorder=0.5 * (1.0 - float(agreement)),
        lungs=abs(one.lost - two.lost) / volume,
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


def covered(cast: Cast, volume: float, cubes: VoxelCast) -> float:
    """Degrees of the root beside full cubes; a section of a line counts as those of `cubes`."""
    if cast.voxels is not None:
        return cast.voxels.coverage.degrees(cast.voxels.saturation_at(volume) >= 1.0)
    return cubes.coverage.degrees(cast.saturation_at(volume)[cubes.mesh.line_cell] >= 1.0)


class Displaced:
    """Cubes of a grid that begins elsewhere, cut once for all injections into one patient."""

    def __init__(self, shift: FloatArray) -> None:
        self.shift = shift
        self.meshes: dict[str, VoxelMesh] = {}

    def run(self, name: str, given: list[str]) -> Cast:
        """Inject into the cubes of this grid."""
        with patch.object(simulate, "cut_into_cubes", self._cut):
            return castsim.run(load_scenario(name, given))

    def _cut(
        self, scenario: Scenario, anatomy: Anatomy, lines: CentrelineMesh, levels: tuple[Level, ...]
    ) -> VoxelMesh:
        patient = scenario.patient.model_dump_json()
        if patient not in self.meshes:
            with patch.object(Grid, "around", self._around):
                self.meshes[patient] = cut_into_cubes(scenario, anatomy, lines, levels)
        return self.meshes[patient]

    def _around(self, low: FloatArray, high: FloatArray, step: float) -> Grid:
        return AROUND(low - step * self.shift, high, step)


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


def kinds_of(name: str) -> dict[str, list[str]]:
    """What is set for each of the four injections."""
    scenario = load_scenario(name)
    push = [f"injection.volume_mL={max(VOLUMES_ML)}"]
    even = [*push, f"model.density_g_mL={g_mL_from_g_mm3(scenario.physiology().blood_density)}"]
    still = [*even, *STILL]
    return {
        "free, no weight, still blood": [*still, *FREE],
        "no weight, still blood": still,
        "no weight": even,
        scenario.agent: push,
    }


@dataclass(frozen=True)
class Injected:
    """One kind of injection on lines, and in castsim's own cubes; by volume, then by grid."""

    lines: Cast
    cubes: Cast
    on_cubes: list[list[Shown]]
    on_sections: list[list[Shown]]


def inject(name: str, spacing: float) -> Iterator[tuple[str, Injected]]:
    """Inject into lines, and into the cubes and the sections of every grid."""
    kinds, volumes = kinds_of(name), [volume * UL_PER_ML for volume in VOLUMES_ML]
    lines = {words: castsim.run(load_scenario(name, given)) for words, given in kinds.items()}
    cubes: dict[str, Cast] = {}
    on_cubes: dict[str, list[list[Shown]]] = {words: [[] for _ in volumes] for words in kinds}
    on_sections: dict[str, list[list[Shown]]] = {words: [[] for _ in volumes] for words in kinds}
    steps = np.geomspace(DEFAULT_ETA["centreline"], DEFAULT_ETA["voxel"], GRIDS)
    every = [steps[-1], *steps]
    for shift, eta in zip(SHIFTS, every, strict=True):
        grid = Displaced(shift)
        sections: tuple[FlowMesh, IntArray] | None = None
        for words, given in kinds.items():
            cast = grid.run(name, [*given, "mesh.kind=voxel", f"mesh.spacing_mm={spacing}"])
            place = cubes.setdefault(words, cast).voxels
            assert place is not None
            assert cast.voxels is not None
            if sections is None:
                rest = lines[words].rest
                viscosity = float(np.median(rest.viscosity))
                sections = as_sections(cast.voxels.mesh, rest.mesh, viscosity)
            summed = in_sections(name, [*given, f"mesh.eta={eta}"], *sections)
            for number, volume in enumerate(volumes):
                on_cubes[words][number].append(shown(cast, volume, place))
                on_sections[words][number].append(shown(summed, volume, place))
        print(f"{name}: a grid displaced by {shift} of a cube", file=sys.stderr, flush=True)
    for words in kinds:
        yield words, Injected(lines[words], cubes[words], on_cubes[words], on_sections[words])


def compare(name: str, spacing: float) -> Iterator[str]:
    """Lines of the part of the page about one scenario."""
    yield f"**{name}**"
    yield ""
    yield (
        "| agent | mL | full, cubes | coverage, lines / cubes | apart (band) | elsewhere "
        "| order | lungs | elsewhere within sections | in the middle | on the floor |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for words, found in inject(name, spacing):
        for volume, cubes, sections in zip(
            VOLUMES_ML, found.on_cubes, found.on_sections, strict=True
        ):
            yield row(words, volume * UL_PER_ML, found, cubes, sections)
    yield ""


def row(
    words: str, volume: float, found: Injected, on_cubes: list[Shown], on_sections: list[Shown]
) -> str:
    """One line of the table; what lies outside its band is bold."""
    lines, cubes = found.lines, found.cubes
    assert cubes.voxels is not None
    plain = shown(lines, volume, cubes.voxels)
    parts = [
        np.max([astuple(apart(one, other)) for other in others[1:]], axis=0)
        for one, others in ((plain, on_sections), (on_cubes[0], on_cubes))
    ]
    values = astuple(apart(plain, on_cubes[0]))
    within = apart(on_sections[0], on_cubes[0]).elsewhere
    middle = in_the_middle(cubes.voxels, volume)
    floor = on_the_floor(cubes.voxels, volume, cubes.scenario.patient.gravity())
    assert np.isfinite([*parts[0], *parts[1], *values, within]).all()
    cells = [words, f"{volume / UL_PER_ML:g}", f"{filled(cubes, volume):.0%}"]
    cells.append(f"{lines.coverage_at(volume):.0f}° / {cubes.coverage_at(volume):.0f}°")
    units = "°", " %", " %", " %"
    for value, one, two, unit in zip(values, *parts, units, strict=True):
        factor, digits = (1.0, 0) if unit == "°" else (100.0, 1)
        at, most = (round(factor * number, digits) for number in (value, one + two))
        told = f"{at:.{digits}f}{unit}"
        told = f"**{told}**" if at > most else told
        cells.append(f"{told} ({factor * one:.{digits}f} + {factor * two:.{digits}f})")
    cells.append(f"{within:.1%}".replace("%", " %"))
    cells += [f"{100.0 * share:+.0f} %" for share in (middle, floor)]
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
