"""The command line: ``castsim run``, ``show``, ``anatomy``, ``plan``, ``render`` and so on.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 a fault in castsim or an
answer that is no; 2 bad input, nothing written; 3 something missing on this machine;
130 interrupted, nothing half-written.
"""

import gc
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from castsim import __version__, fluoroscopy_commands, picture_commands
from castsim.command_options import (
    AzygosOption,
    CoverageOption,
    CubeOption,
    DrawsOption,
    IndicesOption,
    JsonOption,
    LargestOption,
    MeshOption,
    NoRenderOption,
    PriorsOption,
    QuietOption,
    ScenarioArgument,
    SchedulerOption,
    SeedOption,
    SetOption,
    StudySeedOption,
    WorkersOption,
)
from castsim.errors import CastsimError, MissingError, ScenarioError
from castsim.units import mL_from_uL
from geometry.errors import GeometryError

if TYPE_CHECKING:
    from castsim.ensembles.plan_files import Written
    from castsim.ensembles.targets import Targets
    from geometry.surface import LumenSurface

DEFAULT_FOLDER = Path("casts")
PLAN_FOLDER = Path("plans")
_GEOMETRY_EXIT_CODE = 2
_SIGNAL_EXIT_CODE = 128
_MOST_BODIES = 4
"""Bodies of a surface whose volumes are told."""
_TYPER_WORDS = {"Input should be": "must be", "Value error, ": ""}
"""What Typer says of options, in the words of castsim's own errors."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Predict where a liquid embolic agent goes in the veins of the spine. "
    "Research and education, not a medical device.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"castsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options that need no command."""


@app.command()
def run(
    scenario: ScenarioArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Result folder; default casts/SCENARIO."
        ),
    ] = None,
    seed: SeedOption = None,
    mesh: MeshOption = None,
    spacing_mm: CubeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    no_render: NoRenderOption = False,
    quiet: QuietOption = False,
) -> None:
    """Inject, and write the predicted cast into a folder."""
    from castsim.scenario_file import load_scenario

    said = [*(overrides or ())]
    if mesh is not None:
        said.append(f'mesh.kind="{mesh.value}"')
    if spacing_mm is not None:
        said.append(f"mesh.spacing_mm={spacing_mm}")
    planned = load_scenario(scenario, said)
    if spacing_mm is not None and planned.mesh.kind != "voxel":
        raise ScenarioError("--spacing-mm is the side of cubes: add --mesh voxel")
    # a file of one's own gets its own folder, whatever scenario it was copied from
    name = Path(scenario).stem if Path(scenario).is_file() else planned.name
    folder = output if output is not None else DEFAULT_FOLDER / name

    # what is wrong with the folder is told before the heavy modules are loaded
    from castsim.results import check_folder, report_text, write_cast

    check_folder(folder)

    from castsim.console import print_cast, progress_bar, talk, told
    from castsim.simulate import run as simulate

    with progress_bar(not quiet) as progress:
        tell = told(progress, quiet=quiet, cubes=planned.mesh.kind == "voxel")
        cast = simulate(planned, seed=seed, progress=tell)
        if progress is not None:
            progress("writing", 0.0)
        written = write_cast(cast, folder, render=not no_render)
    for note in written.notes:
        talk().print(f"castsim: {note}", markup=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(report_text(written.report))
    elif not quiet:
        files = sorted(entry.name for entry in written.folder.iterdir())
        print_cast(written.report, files, str(written.folder))


@app.command()
def scenarios(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the scenarios that come with castsim."""
    from castsim.scenario_file import bundled_names, load_scenario

    titles = {name: load_scenario(name).title for name in bundled_names()}
    if as_json:
        _print_json(titles)
    elif not quiet:
        from castsim.console import print_scenarios

        print_scenarios(titles)


@app.command()
def show(
    scenario: ScenarioArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print a scenario with every default filled in, as a TOML file that can be run."""
    from castsim.scenario_file import load_scenario
    from castsim.scenario_text import scenario_text

    resolved = load_scenario(scenario, overrides or ()).resolved()
    if as_json:
        _print_json(resolved.model_dump(mode="json"))
    elif not quiet:
        sys.stdout.write(scenario_text(resolved))


@app.command()
def anatomy(
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE.vtp", help="Write the veins of all levels as polylines."
        ),
    ] = None,
    surface: Annotated[
        Path | None,
        typer.Option(
            "--surface",
            metavar="FILE.stl|.ply|.vtp",
            help="Write the lumen of the veins as one closed surface, to print or to look at.",
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            "--levels",
            metavar="UPPER:LOWER",
            help="Vertebrae of the table and of the surface, as T7:T11; default all.",
        ),
    ] = None,
    spacing_mm: Annotated[
        float | None,
        typer.Option(
            "--spacing-mm",
            metavar="MM",
            min=0.01,
            max=5.0,
            help="Fineness of the surface; default 0.4 with --levels, else 0.8.",
        ),
    ] = None,
    tolerance_mm: Annotated[
        float | None,
        typer.Option(
            "--tolerance-mm",
            metavar="MM",
            min=0.001,
            max=1.0,
            help="Fewer triangles, where the surface moves by less than this; default all.",
        ),
    ] = None,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="A random patient instead of the commonest anatomy.")
    ] = False,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Which patient (patient.seed).")
    ] = 0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tabulate the veins of an anatomy, and export them to print or for ParaView or 3D Slicer."""
    from castsim.console import talk
    from castsim.inventory import inventory
    from castsim.results import check_file, check_surface
    from castsim.simulate import build_anatomy

    if export is not None:
        check_file(export, ".vtp")
    window = check_surface(surface, levels, spacing_mm, tolerance_mm)
    kind = "drawn" if drawn else "typical"
    patient = build_anatomy(kind, seed)
    if export is not None:
        from castsim.results import write_anatomy

        write_anatomy(patient, export)
        if not quiet:
            line = f"Wrote {export}: {patient.network.n_branches} veins as polylines"
            talk().print(line, markup=False, soft_wrap=True)
    if surface is not None:
        from castsim.results import write_surface
        from geometry.surface import lumen_surface

        lumen = lumen_surface(patient, window, spacing_mm=spacing_mm)
        if tolerance_mm is not None:
            from geometry.simplifying import simplified

            lumen = simplified(lumen, tolerance_mm)
        write_surface(lumen, surface)
        if not quiet:
            line = _surface_line(lumen, surface, cut=window is not None)
            talk().print(line, markup=False, soft_wrap=True)
    totals = inventory(patient.network, window)
    if as_json:
        from castsim.units import mL_from_uL

        _print_json(
            [
                {
                    "structure": total.structure.label,
                    "compartment": total.structure.compartment.value,
                    "count": total.count,
                    "length_mm": total.length,
                    "volume_mL": mL_from_uL(total.volume),
                }
                for total in totals
            ]
        )
    elif not quiet:
        from castsim.console import print_inventory

        ends = dict.fromkeys(level.name for level in window or ())
        where = f", {' to '.join(ends)}" if ends else ""
        print_inventory(totals, f"Veins of the {kind} anatomy, seed {seed}{where}")


app.command()(picture_commands.render)
app.command()(picture_commands.report)
app.command()(fluoroscopy_commands.fluoro)
app.command()(fluoroscopy_commands.venogram)


@app.command()
def plan(
    scenario: ScenarioArgument,
    draws: DrawsOption = 1000,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Result folder; default plans/SCENARIO."
        ),
    ] = None,
    seed: StudySeedOption = 0,
    overrides: SetOption = None,
    priors: PriorsOption = None,
    largest_mL: LargestOption = None,
    coverage_deg: CoverageOption = None,
    azygos_mL: AzygosOption = None,
    indices: IndicesOption = 0,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    no_render: NoRenderOption = False,
    quiet: QuietOption = False,
) -> None:
    """Inject into many random patients: which volume covers, and what it risks.

    The same command takes an interrupted run up again, and more draws add to those that are there.
    """
    gc.enable()  # this process lives long
    from castsim.ensembles.priors import priors_with
    from castsim.ensembles.study import check_asked, load_arm

    # what is wrong with the input is told before the heavy modules are loaded
    planned, own = load_arm(scenario, overrides or ()), priors_with(priors)
    check_asked(draws, indices, seed, largest_mL)
    name = Path(scenario).stem if Path(scenario).is_file() else planned.name
    folder = output if output is not None else PLAN_FOLDER / name
    from castsim.console import draws_bar, print_plan, told_draws
    from castsim.ensembles.plans import plan as make

    with draws_bar(not quiet) as progress:
        result = make(
            planned,
            draws=draws,
            seed=seed,
            folder=folder,
            targets=_targets(coverage_deg, azygos_mL),
            largest_mL=largest_mL,
            priors=own,
            indices=indices,
            scheduler=scheduler,
            workers=workers,
            progress=told_draws(progress, compiles=not quiet and scheduler is None),
        )
    from castsim.ensembles.plan_files import write_plan

    written = write_plan(result, render=not no_render)
    _show(written, print_plan, as_json=as_json, quiet=quiet)


@app.command()
def compare(
    scenarios: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO...", help="Two or more; or one, and --vary."),
    ],
    variations: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="FIELD=A,B",
            help="Arms that differ in a field, such as agent=Onyx 18,PHIL 25, or that take tip, "
            "catheter, protocol or patient from scenarios; may be repeated.",
        ),
    ] = None,
    draws: DrawsOption = 1000,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Result folder; default plans/compare-NAMES."
        ),
    ] = None,
    common_mL: Annotated[
        float | None,
        typer.Option(
            "--at-ml",
            metavar="ML",
            help="Volume for all arms; default that recommended for the first.",
        ),
    ] = None,
    seed: StudySeedOption = 0,
    overrides: SetOption = None,
    priors: PriorsOption = None,
    largest_mL: LargestOption = None,
    coverage_deg: CoverageOption = None,
    azygos_mL: AzygosOption = None,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    no_render: NoRenderOption = False,
    quiet: QuietOption = False,
) -> None:
    """Inject in several ways into the same random patients: which way is better.

    Each arm is compared with the first. The same command takes an interrupted run up again.
    """
    gc.enable()  # this process lives long
    from castsim.ensembles.priors import priors_with
    from castsim.ensembles.study import arms_of, check_asked, check_common, folder_name

    # what is wrong with the input is told before the heavy modules are loaded
    check_common(common_mL, check_asked(draws, seed=seed, largest_mL=largest_mL))
    own, arms = priors_with(priors), arms_of(scenarios, overrides or (), variations or ())
    folder = (
        output if output is not None else PLAN_FOLDER / folder_name(scenarios, variations or ())
    )
    from castsim.console import draws_bar, print_comparison, told_draws
    from castsim.ensembles.plans import compare as make

    with draws_bar(not quiet) as progress:
        plans = make(
            arms,
            draws=draws,
            seed=seed,
            folder=folder,
            targets=_targets(coverage_deg, azygos_mL),
            largest_mL=largest_mL,
            priors=own,
            scheduler=scheduler,
            workers=workers,
            progress=told_draws(progress, compiles=not quiet and scheduler is None),
        )
    from castsim.ensembles.comparing import compare_plans
    from castsim.ensembles.plan_files import write_comparison

    written = write_comparison(compare_plans(plans, common_mL=common_mL), render=not no_render)
    _show(written, print_comparison, as_json=as_json, quiet=quiet)


def _show(written: "Written", shown: Callable[..., None], *, as_json: bool, quiet: bool) -> None:
    """Print what was written of an ensemble: as JSON, or as people read it."""
    from castsim.results import report_text

    if as_json:
        sys.stdout.write(report_text(written.report))
    elif not quiet:
        shown(written.report, written.files, str(written.folder))


def _targets(coverage_deg: float | None, azygos_mL: float | None) -> "Targets":
    """What counts as covered and safe, as the options say."""
    from dataclasses import replace

    from castsim.ensembles.targets import Targets

    targets = Targets.default()
    if coverage_deg is not None:
        targets = replace(targets, coverage_deg=coverage_deg)
    if azygos_mL is not None:
        targets = replace(targets, azygos_mL=azygos_mL)
    return targets


@app.command()
def benchmark(
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", metavar="NAME", help="Only this one; may be repeated; default all."
        ),
    ] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(
            "--baselines",
            metavar="DIR",
            help="Folder of stored numbers; default benchmarks/baselines of the checkout.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Store the numbers of now; tolerances are kept.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the bundled scenarios, and tell which predictions moved from the stored ones.

    Exit code 0: none; 1: one moved by more than its tolerance; 2: no stored numbers to read.
    """
    from castsim import benchmark_files as files
    from castsim.benchmark import predict_all, report
    from castsim.console import print_benchmark, progress_bar, told

    names = files.chosen_scenarios(scenario or ())
    folder = files.find_folder(baselines, update=update)
    if not scenario:
        files.check_none_left_over(folder)
    stored = files.read_baselines(folder, names, update=update)
    with progress_bar(not quiet) as progress:
        outcomes = predict_all(names, told(progress, quiet=quiet, heading="benchmark"))
    comparisons = files.compare_all(stored, outcomes)
    if update:
        files.update(folder, stored, outcomes)
    if as_json:
        _print_json(report(comparisons))
    elif not quiet:
        print_benchmark(comparisons, written=str(folder) if update else None)
    if not update and any(one.changes for one in comparisons):
        raise typer.Exit(1)


def _surface_line(lumen: "LumenSurface", path: Path, *, cut: bool) -> str:
    """What was written, what of it is not as wide as it is drawn, and what a window holds."""
    closed = "closed and manifold" if lumen.open_edges == 0 else "NOT closed"
    apart = ""
    if len(lumen.bodies) > 1:
        # two digits, and no powers of ten
        sizes = [f"{float(f'{mL_from_uL(size):.2g}'):g}" for size in lumen.bodies]
        shown = ", ".join(sizes[:_MOST_BODIES]) + (", ..." if len(sizes) > _MOST_BODIES else "")
        apart = f"; {len(sizes)} bodies that do not touch ({shown} mL)"
    also = "; all that lies at this height, great veins that the table counts to other levels too"
    return (
        f"Wrote {path}: {len(lumen.triangles)} triangles, {closed}{apart}; veins thinner than "
        f"{2 * lumen.least_radius:.2g} mm are drawn as thick as that{also if cut else ''}"
    )


def _print_json(content: object) -> None:
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that half-written folders are taken away."""
    raise SystemExit(_SIGNAL_EXIT_CODE + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one line on stderr."""
    signal.signal(signal.SIGTERM, _terminate)
    if arguments is None:
        # a process of one command is short-lived: collecting its garbage takes a twelfth of a run
        gc.disable()
    try:
        code = app(args=arguments, prog_name="castsim", standalone_mode=False)
    except typer.TyperException as error:
        return _misused(error)
    except CastsimError as error:
        return _fail(error, error.exit_code)
    except GeometryError as error:
        return _fail(error, _GEOMETRY_EXIT_CODE)
    except OSError as error:
        return _fail(error, MissingError.exit_code)
    except SystemExit as done:
        code = done.code
    return code if isinstance(code, int) else int(bool(code))


def _misused(error: typer.TyperException) -> int:
    """Tell of a command line that cannot be understood; where help was printed, that is enough."""
    text = error.format_message().rstrip(".")
    if text:
        for theirs, ours in _TYPER_WORDS.items():
            text = text.replace(theirs, ours)
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "castsim"
        typer.echo(f"castsim: {text[:1].lower()}{text[1:]}; see `{command} --help`", err=True)
    return error.exit_code


def _fail(error: Exception, code: int) -> int:
    typer.echo("castsim: " + " ".join(str(error).split()), err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
