"""What people see in the terminal: tables on stdout, progress and notes on stderr."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from castsim.cord import cord_words, reported_elsewhere_mL, reported_towards_cord_mL
from castsim.inventory import StructureTotal
from castsim.schema import DISCLAIMER
from castsim.units import LEAST_ML, mL_from_uL
from geometry.levels import Level

if TYPE_CHECKING:
    from castsim.benchmark import Comparison, Difference

StageProgress = Callable[[str, float], None]
DrawsProgress = Callable[[int, int], None]
COMPILING = "castsim: compiling the kernels, once on this machine (some minutes)"

SHOWN_VEINS = 5
"""Veins of one scenario whose change is shown; the others are in the JSON."""
_PLACES = {"mL": 5, "deg": 2, "mm": 2}
FOLDED_WARNINGS = 6
"""Warnings shown in the table; the others are in cast.json."""


def out() -> Console:
    """Return the console for results."""
    return Console(highlight=False)


def talk() -> Console:
    """Return the console for everything that is no result."""
    return Console(stderr=True, highlight=False)


@contextmanager
def progress_bar(shown: bool) -> Iterator[StageProgress | None]:
    """Show what a run is doing and the time left, when stderr is a terminal."""
    console = talk()
    if not (shown and console.is_terminal):
        yield None
        return
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        stage = ""

        def update(name: str, done: float) -> None:
            nonlocal stage
            if name != stage:
                stage = name
                bar.reset(task, total=1.0, description=name)
            bar.update(task, completed=min(max(done, 0.0), 1.0))

        yield update


def told(
    progress: StageProgress | None,
    *,
    quiet: bool,
    heading: str | None = None,
    cubes: bool = False,
) -> StageProgress:
    """Pass progress on to the bar, and say once that kernels are being compiled when they are.

    With `heading` all stages go by this name, as parts of one longer work; with `cubes` the run is
    on a voxel mesh, which has more kernels.
    """
    from castsim.kernels import compiled

    asked = {"geometry": "geometry", "injection": "cubes" if cubes else "injection"}
    if quiet:
        asked.clear()

    def tell(stage: str, done: float) -> None:
        kernels = asked.pop(stage, None)
        if kernels is not None and not compiled(kernels):
            asked.clear()
            talk().print(COMPILING)
        if progress is not None:
            progress(heading or stage, done)

    return tell


@contextmanager
def draws_bar(shown: bool) -> Iterator[DrawsProgress | None]:
    """Show draws done, their rate and the time left, when stderr is a terminal."""
    console = talk()
    if not (shown and console.is_terminal):
        yield None
        return
    columns = (
        TextColumn("draws"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rate="")

        def update(done: int, wanted: int) -> None:
            bar.update(task, completed=done, total=wanted)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield update


def told_draws(progress: DrawsProgress | None, *, compiles: bool) -> DrawsProgress:
    """Pass draws on to the bar, and say once that kernels are being compiled when they are."""
    from castsim.kernels import compiled

    waits = compiles and not compiled()

    def told(done: int, wanted: int) -> None:
        nonlocal waits
        if waits and done < wanted:
            waits = False
            talk().print(COMPILING)
        if progress is not None:
            progress(done, wanted)

    return told


def print_plan(report: Mapping[str, Any], files: Sequence[str], folder: str) -> None:
    """Print what a clinician reads first, the chances, and where the rest lies."""
    from castsim.ensembles.summary import percent
    from castsim.ensembles.wording import EVENT_NAMES, patients

    console = out()
    summary = report["summary"]
    for line in (*summary["first"], summary["headline"], *summary["marks"], *summary["drivers"]):
        console.print(line, soft_wrap=True, markup=False)
    table = Table(
        title=f"Of {patients(report['draws'])}, by this volume",
        title_justify="left",
    )
    table.add_column("")
    for at in report["at"]:
        table.add_column(f"{at['what']}\n{at['volume_mL']:.2f} mL", justify="right")
    for event, name in EVENT_NAMES.items():
        ends = (at["chances"][event] for at in report["at"])
        shares = (percent((one["estimate"], one["low"], one["high"])) for one in ends)
        table.add_row(name, *map(escape, shares))
    console.print(table)
    for line in summary["limits"]:
        console.print(line, soft_wrap=True, markup=False)
    _print_written(console, files, folder)


def print_comparison(report: Mapping[str, Any], files: Sequence[str], folder: str) -> None:
    """Print which arm does better, how sure that is, and where the rest lies."""
    from castsim.ensembles.compare_page import quantity_name
    from castsim.ensembles.compare_report import change_text, value_text

    console = out()
    for line in (*report["first"], *report["summary"]):
        console.print(line, soft_wrap=True, markup=False)
    for pairing in report["pairings"]:
        own = pairing["own"][0]
        table = Table(
            title=escape(
                f"{pairing['arm']} against {pairing['against']}, {pairing['pairs']} pairs"
            ),
            title_justify="left",
        )
        table.add_column("")
        for heading in (pairing["arm"], pairing["against"], "difference"):
            table.add_column(escape(heading), justify="right")
        for volumes, rows in (
            (f"{own['volume_mL']:.2f} and {own['against_volume_mL']:.2f} mL", pairing["own"]),
            (f"both {report['common_mL']:.2f} mL", pairing["common"]),
        ):
            table.add_row(f"[bold]{volumes}[/]")
            for row in rows:
                values = (
                    value_text(row["value"], row["unit"]),
                    value_text(row["against_value"], row["unit"]),
                    change_text(row),
                )
                table.add_row(quantity_name(row), *map(escape, values))
            table.add_section()
        console.print(table)
    for line in report["limits"]:
        console.print(line, soft_wrap=True, markup=False)
    _print_written(console, files, folder)


def print_written(paths: Sequence[Path]) -> None:
    """Say which files were written, and what they are not."""
    for path in paths:
        out().print(f"Wrote {path}", markup=False, soft_wrap=True)
    out().print(DISCLAIMER)


def _print_written(console: Console, files: Sequence[str], folder: str) -> None:
    console.print(f"Wrote {escape(folder)}: {', '.join(files)}", soft_wrap=True)
    console.print(DISCLAIMER)


def print_cast(report: Mapping[str, Any], files: Sequence[str], folder: str) -> None:
    """Print the short table of one result, where it lies, and what it is not."""
    scenario = report["scenario"]
    table = Table(title=escape(scenario["title"] or scenario["name"]), title_justify="left")
    table.add_column("quantity")
    table.add_column("value")
    for quantity, value in _cast_rows(report):
        table.add_row(quantity, escape(value))
    console = out()
    console.print(table)
    warnings = report["warnings"]
    for warning in warnings[:FOLDED_WARNINGS]:
        console.print(f"Warning: {escape(warning)}", soft_wrap=True)
    if len(warnings) > FOLDED_WARNINGS:
        console.print(f"and {len(warnings) - FOLDED_WARNINGS} more warnings in cast.json")
    _print_written(console, files, folder)


def _cast_rows(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    coverage, reflux = report["coverage"], report["reflux"]
    target = report["scenario"]["target"]
    yield "agent", f"{report['scenario']['agent']}, {report['scenario']['catheter']['name']}"
    yield "injected (out of the tip)", f"{report['injected_mL']:.3f} mL"
    yield "cast", f"{report['cast_mL']:.3f} mL"
    yield "left towards the lungs", f"{report['embolised_mL']:.3f} mL"
    elsewhere = reported_elsewhere_mL(report)
    if elsewhere >= LEAST_ML:
        yield "out of the model", f"{elsewhere:.3f} mL, by other ends of veins"
    yield "towards the spinal cord", cord_words(*reported_towards_cord_mL(report))
    yield (
        f"coverage of root {target['level']} {target['side']}",
        f"{coverage['deg']:.0f}° of {coverage['coverable_deg']:.0f}° that can be covered",
    )
    yield "azygos reflux", _azygos(reflux)
    yield "reflux along the catheter", f"{reflux['catheter_mm']:.1f} mm"
    yield _layering(report)
    yield "levels touched", levels_touched(report["structures"]) or "none"
    yield "foramina touched", ", ".join(report["foramina_touched"]) or "none"
    pressure = report["tip_pressure_mmHg"]
    yield "tip pressure", f"{pressure['max']:.0f} mmHg at most, {pressure['final']:.0f} at the end"
    yield "simulated time", f"{report['duration_s']:.0f} s"
    yield "stopped", report["stop_reason"]
    if report["truncated"]:
        yield "truncated", "agent reached the edge of the window: raise mesh.window_levels"


def _layering(report: Mapping[str, Any]) -> tuple[str, str]:
    """Say whether agent can lie on the floor of a vein."""
    mesh = report["scenario"]["mesh"]
    if mesh["kind"] == "voxel":
        return "layering resolved", f"in wide veins, cubes of {mesh['spacing_mm']:g} mm"
    return "layering not resolved", f"{report['layered_fraction']:.0%} of the cast"


def print_benchmark(comparisons: Sequence["Comparison"], *, written: str | None) -> None:
    """Print what moved by more than its tolerance, a section a scenario, and a last line."""
    console = out()
    changed = [one for one in comparisons if one.changes]
    if changed:
        table = Table(title="Predictions that changed", title_justify="left")
        table.add_column("scenario")
        table.add_column("quantity")
        for heading in ("baseline", "now", "change", "tolerance"):
            table.add_column(heading, justify="right")
        for one in changed:
            for number, moved in enumerate(_shown(one.changes)):
                table.add_row("" if number else one.scenario, *_moved_row(moved))
            hidden = len(one.changes) - len(_shown(one.changes))
            if hidden:
                table.add_row("", f"and {hidden} more (--json)")
            table.add_section()
        console.print(table)
    if comparisons:
        origins = ", ".join(dict.fromkeys(_origin(one) for one in comparisons))
        count = f"{len(comparisons)} scenario{'s' if len(comparisons) > 1 else ''}"
        console.print(
            f"{count}, {len(changed)} changed beyond tolerance. {_closest(comparisons)}",
            f"Baselines set by {origins}.",
            sep="\n",
            soft_wrap=True,
            markup=False,
        )
    if written is not None:
        console.print(f"Wrote {escape(written)}", soft_wrap=True)


def _shown(changes: Sequence["Difference"]) -> list["Difference"]:
    """All that there is one of, and the largest changes of veins and curves."""
    counts: dict[str, int] = {}
    shown = []
    for moved in changes:
        counts[moved.group] = counts.get(moved.group, 0) + 1
        if counts[moved.group] <= SHOWN_VEINS:
            shown.append(moved)
    return shown


def _moved_row(moved: "Difference") -> tuple[str, str, str, str, str]:
    name = moved.quantity.removeprefix("structures_mL ").removeprefix("curves.")
    if moved.unit:
        name = name.replace(f"_{moved.unit}", "")
    name = name.replace("_", " ")
    then, now = (_number(value, moved.unit) for value in (moved.baseline, moved.now))
    if isinstance(moved.baseline, float) and isinstance(moved.now, float):
        change = f"{moved.now - moved.baseline:+.{_PLACES[moved.unit]}f}"
    else:
        change = ""
    allowed = "" if moved.tolerance is None else f"{moved.tolerance:.2g}"
    return escape(name), escape(then), escape(now), change, allowed


def _number(value: float | str | None, unit: str) -> str:
    if isinstance(value, float):
        return f"{value:.{_PLACES[unit]}f} {unit}"
    return "never" if value is None else value


def _origin(one: "Comparison") -> str:
    return f"{one.set_by.version} ({one.set_by.commit or 'commit unknown'})"


def _closest(comparisons: Sequence["Comparison"]) -> str:
    """Say how far the numbers moved that count as unchanged."""
    small = [d for one in comparisons for d in one.differences if not d.beyond]
    if not small:
        return "All numbers within tolerance are the same as stored."
    largest = max(small, key=lambda moved: moved.excess)
    whose, many = ("its", "") if len(small) == 1 else ("their", "s")
    return (
        f"{len(small)} number{many} moved within tolerance, by at most "
        f"{100 * largest.excess:.0f} % of {whose} own ({largest.quantity.replace('_', ' ')})."
    )


def _azygos(reflux: Mapping[str, Any]) -> str:
    """Say how much came there, and from which injected volume it is seen.

    >>> _azygos({"azygos_mL": 0.516, "first_azygos_mL": 0.494})
    '0.516 mL, seen from 0.494 mL on'
    >>> _azygos({"azygos_mL": 0.009, "first_azygos_mL": None})
    '0.009 mL, too little to be seen'
    >>> _azygos({"azygos_mL": 0.0002, "first_azygos_mL": None})
    'none'
    """
    came, first = f"{reflux['azygos_mL']:.3f} mL", reflux["first_azygos_mL"]
    if first is not None:
        return f"{came}, seen from {first:.3f} mL on"
    return "none" if came == "0.000 mL" else f"{came}, too little to be seen"


def levels_touched(structures: Sequence[Mapping[str, Any]]) -> str:
    """Return the levels of all veins that hold agent, neighbours joined: ``T8-T10, L1``."""
    codes = sorted({Level[s["level"]] for s in structures if s["volume_mL"] > 0.0})
    runs: list[list[Level]] = []
    for level in codes:
        if runs and _follows(runs[-1][-1], level):
            runs[-1].append(level)
        else:
            runs.append([level])
    return ", ".join(
        run[0].name if len(run) == 1 else f"{run[0].name}-{run[-1].name}" for run in runs
    )


def _follows(upper: Level, lower: Level) -> bool:
    """Tell neighbours; C8, a root only, is no gap between C7 and T1."""
    return lower == upper + 1 or (upper is Level.C7 and lower is Level.T1)


def print_scenarios(titles: Mapping[str, str]) -> None:
    """Print one line for each bundled scenario."""
    width = max(map(len, titles))
    for name, title in titles.items():
        out().print(f"{name:<{width}}  {title}", markup=False, soft_wrap=True)


def print_inventory(totals: Sequence[StructureTotal], title: str) -> None:
    """Print count, length and volume of each structure."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("structure")
    table.add_column("compartment")
    for heading in ("veins", "length (mm)", "volume (mL)"):
        table.add_column(heading, justify="right")
    for total in totals:
        table.add_row(
            total.structure.label,
            total.structure.compartment.value,
            str(total.count),
            f"{total.length:.0f}",
            f"{mL_from_uL(total.volume):.2f}",
        )
    table.add_section()
    table.add_row(
        "all",
        "",
        str(sum(total.count for total in totals)),
        f"{sum(total.length for total in totals):.0f}",
        f"{mL_from_uL(sum(total.volume for total in totals)):.2f}",
    )
    console = out()
    console.print(table)
    console.print(DISCLAIMER)
