"""The same injections on lines and on cubes: how far apart the casts lie, and how far they may.

`python -m benchmarks.compare_meshes right-t9 left-t7` writes a Markdown table a scenario, which
`docs/voxel_injection.md` quotes; with 12 grids it takes 20 minutes each. Each is injected into
four times. A liquid that no front holds, without weight, and much faster than blood flows: all that
only cubes show is the shape of a junction and of a front. With fronts that hold; as slowly as
planned, so that blood flows past agent; and with its weight, so that agent sinks.

**Band.** L is the cast on lines, C that on cubes, and S that on the *sections* of these cubes
(:mod:`benchmarks.sections`: the centreline mesh with what cubes hold and conduct). With the grid
displaced by a part of a cube there is an S' and a C' for every grid, and for any distance ::

    LC  <=  LS' + S'C' + C'C

LS' is what cubes hold and conduct too much or too little, touch too far, and what the step of an
injection into lines decides (0.5 to 1 % of what came, another for each grid). C'C is where the grid
begins, which means nothing. Were S'C' nothing, LC would be no more than the sum of the other two
for any of the grids; the band is that of the farthest of either. No cast on lines is compared with
one on cubes for it. A fault of the mesh of cubes would widen the first part: what speaks against
one are the flows of blood at rest and the resistance that the tip meets
(`tests/verification/test_voxel_window.py`).

Coverage of L each grid reads by its own cubes, which may differ by a few degrees from what
castsim's grid reads: there the sum is no strict bound.

**Beyond it** S'C' is more than nothing for every displaced grid. The last columns tell how large it
is, from the nearest to the farthest, and where in sections that it fills in part agent lies
(:mod:`benchmarks.within_sections`). S'C' is above all agent in a part of a section, which a section
of one cell cannot show; but also the step on cubes, how agent is passed on within one, and the
error of :mod:`benchmarks.sections`.

**Order** is Kendall's distance with ties as halves, over one set of sections in each row: those
that any of its casts has reached. So it is a metric, as the other distances are.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from unittest.mock import patch

import numpy as np
from scipy.stats.qmc import Halton

import castsim
from benchmarks.sections import as_sections
from benchmarks.within_sections import in_the_middle, on_the_floor
from castsim import simulate
from castsim.cast import Cast
from castsim.errors import CastsimError
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario
from castsim.units import UL_PER_ML, g_mL_from_g_mm3
from castsim.venous_flow import VenousFlow
from castsim.voxel_cast import VoxelCast
from castsim.voxels import cut_into_cubes
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
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
"""Displaced grids, if not said: one more lies farther than all these by a chance of 1 in 20."""
STEPS = 0.005, 0.01
"""Of injections into sections, between these, another for each grid: what the step decides."""
AROUND = Grid.around


@dataclass(frozen=True)
class Shown:
    """What is compared of a cast when `volume` (mm3) has been injected.

    Attributes
    ----------
    volume : mm3
    content : agent by structure, level and side, and what has left the veins, mm3
    reached : (c,) mm3 out of the tip when agent came into each section, at most `volume`; NaN of
        those too short for a cube
    covered : of the root, deg, as cubes show it: of a vein that is full on lines all of them are
    lost : mm3 that left towards the lungs
    """

    volume: float
    content: FloatArray
    reached: FloatArray
    covered: float
    lost: float


def shown(cast: Cast, volume: float, cubes: VoxelCast) -> Shown:
    """Read off a `cast`, on lines or sections as the cubes of a grid show it, or these cubes'."""
    own = np.bincount(cubes.mesh.line_cell, minlength=len(cast.first_volume)) > 0
    return Shown(
        volume,
        content(cast, volume),
        np.where(own, np.minimum(cast.first_volume, volume), np.nan),
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
    disorder : share of the pairs of sections that came the other way round; half of those of which
        one cast alone makes no difference
    lungs : share of what was injected that left towards the lungs from one only
    """

    coverage: float
    elsewhere: float
    disorder: float
    lungs: float


def apart(one: Shown, two: Shown, sections: IntArray) -> Apart:
    """Measure how far two casts in the same veins lie apart; the order of these `sections`."""
    volume = one.volume
    return Apart(
        coverage=abs(one.covered - two.covered),
        elsewhere=float(np.abs(one.content - two.content).sum()) / (2.0 * volume),
        disorder=disorder(one.reached[sections], two.reached[sections]),
        lungs=abs(one.lost - two.lost) / volume,
    )


def disorder(one: FloatArray, two: FloatArray) -> float:
    """Kendall's distance of two rankings (n,), ties as halves, over all pairs: 0 to 1."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in (one, two)]
    pairs = len(one) * (len(one) - 1)
    return float(np.abs(signs[0] - signs[1]).sum()) / (2.0 * max(1, pairs))


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
    """One kind of injection, on lines and in castsim's own cubes; and by volume and grid."""

    lines: Cast
    cubes: Cast
    on_lines: list[list[Shown]]
    on_sections: list[list[Shown]]
    on_cubes: list[list[Shown]]


def inject(name: str, spacing: float, grids: int) -> Iterator[tuple[str, Injected]]:
    """Inject into lines, and into the cubes and the sections of every grid."""
    kinds, volumes = kinds_of(name), [volume * UL_PER_ML for volume in VOLUMES_ML]
    lines = {words: castsim.run(load_scenario(name, given)) for words, given in kinds.items()}
    found: dict[str, Injected] = {}
    steps = np.geomspace(*STEPS, max(2, grids))
    shifts = Halton(3, scramble=False).random(1 + grids)  # the first one is castsim's, 0
    for number, shift in enumerate(shifts):
        grid = Displaced(shift)
        sections: tuple[FlowMesh, IntArray] | None = None
        for words, given in kinds.items():
            cubes = ["mesh.kind=voxel", f"mesh.spacing_mm={spacing}"]
            cast = grid.run(name, [*given, *cubes])
            place = cast.voxels
            assert place is not None
            if sections is None:
                rest = lines[words].rest
                viscosity = float(np.median(rest.viscosity))
                sections = as_sections(place.mesh, rest.mesh, viscosity)
            summed = in_sections(name, [*given, f"mesh.eta={steps[number - 1]}"], *sections)
            empty = Injected(lines[words], cast, *([[] for _ in volumes] for _ in range(3)))
            one = found.setdefault(words, empty)
            for k, volume in enumerate(volumes):
                for told, what in (
                    (one.on_lines, lines[words]),
                    (one.on_sections, summed),
                    (one.on_cubes, cast),
                ):
                    told[k].append(shown(what, volume, place))
        print(f"{name}: {number} of {grids} displaced grids", file=sys.stderr, flush=True)
    yield from found.items()


def compare(name: str, spacing: float, grids: int) -> Iterator[str]:
    """Lines of the part of the page about one scenario."""
    yield f"**{name}**"
    yield ""
    yield (
        "| agent | mL | full, cubes | coverage, lines / cubes | apart (band) | elsewhere "
        "| order | lungs | elsewhere, sections to cubes | in the middle | on the floor |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for words, found in inject(name, spacing, grids):
        for number, volume in enumerate(VOLUMES_ML):
            yield row(words, volume * UL_PER_ML, found, number)
    yield ""


def row(words: str, volume: float, found: Injected, number: int) -> str:
    """One line of the table; what lies outside its band is bold, and *any* a band of all."""
    on_lines, on_sections, on_cubes = (
        told[number] for told in (found.on_lines, found.on_sections, found.on_cubes)
    )
    reached = np.array([one.reached for one in (*on_lines, *on_sections, *on_cubes)])
    # of sections that every grid has; that any cast has reached
    sections = np.flatnonzero((reached < volume).any(axis=0) & np.isfinite(reached).all(axis=0))

    def farthest(pairs: Iterable[tuple[Shown, Shown]]) -> FloatArray:
        return np.max([astuple(apart(*pair, sections)) for pair in pairs], axis=0)

    parts = (
        farthest(zip(on_lines[1:], on_sections[1:], strict=True)),
        farthest((on_cubes[0], one) for one in on_cubes[1:]),
    )
    values = astuple(apart(on_lines[0], on_cubes[0], sections))
    within = [apart(*pair, sections).elsewhere for pair in zip(on_sections, on_cubes, strict=True)]
    cubes = found.cubes
    assert cubes.voxels is not None
    middle = in_the_middle(cubes.voxels, volume)
    floor = on_the_floor(cubes.voxels, volume, cubes.mesh, cubes.scenario.patient.gravity())
    assert np.isfinite([*parts[0], *parts[1], *values]).all()
    cells = [words, f"{volume / UL_PER_ML:g}", f"{filled(cubes, volume):.0%}"]
    cells.append(f"{found.lines.coverage_at(volume):.0f}° / {cubes.coverage_at(volume):.0f}°")
    for value, one, two, unit in zip(values, *parts, ("°", " %", " %", " %"), strict=True):
        factor, digits = (1.0, 0) if unit == "°" else (100.0, 1)
        at, most = (round(factor * length, digits) for length in (value, one + two))
        told = f"{at:.{digits}f}{unit}"
        told = f"**{told}**" if at > most else told
        band = f"{factor * one:.{digits}f} + {factor * two:.{digits}f}"
        cells.append(f"{told} ({'any' if most >= (360.0 if unit == '°' else 100.0) else band})")
    cells.append(f"{100.0 * min(within):.0f}–{100.0 * max(within):.0f} %")
    cells += [f"{100.0 * share:+.0f} %" for share in (middle, floor)]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Write the table of each scenario asked for."""
    words = "Compare casts on lines and on cubes, as Markdown."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_meshes", description=words)
    parser.add_argument("scenario", nargs="*", default=["right-t9"], help="bundled, or a file")
    parser.add_argument("--spacing-mm", type=float, default=SPACING_MM, help="side of the cubes")
    parser.add_argument("--grids", type=int, default=GRIDS, help="that are displaced, at least 1")
    asked = parser.parse_args()
    try:
        for name in asked.scenario:
            for line in compare(name, asked.spacing_mm, asked.grids):
                print(line, flush=True)
    except CastsimError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
