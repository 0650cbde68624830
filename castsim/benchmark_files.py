"""Baselines on the disk: one ``SCENARIO.json`` each, read with one line for every fault.

Rewriting keeps the tolerances of a file that is there, for people set those; numbers that have not
moved keep their file, and with it the commit that set them.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import castsim
from castsim.benchmark import (
    VOLUME,
    Baseline,
    Comparison,
    Origin,
    Outcome,
    Prediction,
    compare,
    curve_names,
    default_tolerances,
    failed,
    tolerance_names,
)
from castsim.errors import ResultError
from castsim.naming import did_you_mean
from castsim.scenario_file import bundled_names

SCHEMA = "castsim.baseline/1"
CHECKOUT = Path(castsim.__file__).resolve().parents[1]
DEFAULT_FOLDER = CHECKOUT / "benchmarks" / "baselines"
"""Beside the package in a checkout; an installed castsim has none."""
_GIT_SECONDS = 10
_SIZE_LIMIT = 1_000_000
_PAIR = 2


def find_folder(given: Path | None, *, update: bool) -> Path:
    """Return the folder of baselines; the checkout's own unless another is given.

    Raises
    ------
    ResultError
        If there is none, naming the remedy.
    """
    folder = DEFAULT_FOLDER if given is None else given
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ResultError(
            f"{folder}: is a file; baselines are a folder: choose another --baselines"
        )
    if given is None and not (update and folder.parent.is_dir()):
        raise ResultError(
            "benchmarks/baselines: the installed castsim has none; name a folder with "
            "--baselines DIR (--update fills it), or work in a checkout of the repository"
        )
    if not update:
        raise ResultError(f"{folder}: no such folder; `castsim benchmark --update` makes one")
    return folder


def chosen_scenarios(names: Sequence[str]) -> tuple[str, ...]:
    """Return the bundled scenarios of these names, or all; each once.

    Raises
    ------
    ResultError
        If one of them is not bundled.
    """
    known = bundled_names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or ";"
            raise ResultError(
                f"--scenario {name}: no bundled scenario{hint} see `castsim scenarios`"
            )
    return tuple(dict.fromkeys(names)) or known


def check_none_left_over(folder: Path) -> None:
    """Make sure that every file of `folder` is the baseline of a bundled scenario.

    Raises
    ------
    ResultError
        Naming the first that is not.
    """
    for path in sorted(folder.glob("*.json")):
        if path.stem not in bundled_names():
            raise ResultError(f"{path}: there is no scenario {path.stem!r}; remove the file")


def read_baseline(folder: Path, scenario: str) -> Baseline:
    """Read the baseline of one scenario.

    Raises
    ------
    ResultError
        One line: which file, which field, what is wrong, what to do.
    """
    path = folder / f"{scenario}.json"
    remedy = f"`castsim benchmark --update --scenario {scenario}` writes it anew"
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise ResultError(f"{path}: too large for a baseline; {remedy}")
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ResultError(f"{path}: no baseline for {scenario}; {remedy}") from error
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not a JSON file: {error}; {remedy}") from error
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
        raise ResultError(f"{path}: schema is not {SCHEMA!r}; {remedy}")
    try:
        baseline = Baseline.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(key) for key in fault["loc"])
        raise ResultError(f"{path}: {field}: {fault['msg']}; {remedy}") from error
    _check(baseline, path, scenario, remedy)
    return baseline


def _check(baseline: Baseline, path: Path, scenario: str, remedy: str) -> None:
    """Check what the types cannot say: the name, the names of quantities, lists of one length."""
    if baseline.scenario != scenario:
        raise ResultError(f"{path}: scenario is {baseline.scenario!r}, not {scenario!r}; {remedy}")
    for found, wanted, field in (
        (set(baseline.tolerances), set(tolerance_names()), "tolerances"),
        (set(baseline.prediction.curves), {VOLUME, *curve_names()}, "prediction.curves"),
    ):
        for name in sorted(found ^ wanted):
            fault = "missing" if name in wanted else "unknown"
            raise ResultError(f"{path}: {field}.{name}: {fault}; {remedy}")
    lengths = {len(values) for values in baseline.prediction.curves.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ResultError(f"{path}: prediction.curves: lists of unequal length; {remedy}")


def read_baselines(
    folder: Path, scenarios: Sequence[str], *, update: bool
) -> dict[str, Baseline | None]:
    """Read the baselines of `scenarios`; None for those that an `update` is to write anew.

    Raises
    ------
    ResultError
        If one is missing or broken, unless it is going to be replaced.
    """
    stored: dict[str, Baseline | None] = {}
    for scenario in scenarios:
        try:
            stored[scenario] = read_baseline(folder, scenario)
        except ResultError:
            if not update:
                raise
            stored[scenario] = None
    return stored


def compare_all(
    stored: Mapping[str, Baseline | None], outcomes: Mapping[str, Outcome]
) -> list[Comparison]:
    """Compare every scenario that has a baseline."""
    return [
        compare(baseline, now) if isinstance(now, Prediction) else failed(baseline, now)
        for scenario, baseline in stored.items()
        if baseline is not None
        for now in (outcomes[scenario],)
    ]


def update(
    folder: Path, stored: Mapping[str, Baseline | None], outcomes: Mapping[str, Outcome]
) -> None:
    """Store the numbers of now, of all scenarios or of none.

    Raises
    ------
    CastsimError, GeometryError
        If a run failed: there is nothing to store.
    ResultError
        If a file cannot be written.
    """
    now = {}
    for scenario, outcome in outcomes.items():
        if not isinstance(outcome, Prediction):
            raise outcome
        now[scenario] = outcome
    write_baselines(folder, [renewed(name, now[name], old) for name, old in stored.items()])


def renewed(scenario: str, now: Prediction, old: Baseline | None) -> Baseline:
    """Return the baseline with new numbers: `old` itself where they are the same."""
    if old is not None and old.prediction == now:
        return old
    return Baseline(
        scenario=scenario,
        set_by=Origin(version=castsim.__version__, commit=commit()),
        tolerances=default_tolerances() if old is None else old.tolerances,
        prediction=now,
    )


def write_baselines(folder: Path, baselines: Sequence[Baseline]) -> None:
    """Write every file under a hidden name, then rename them all.

    Raises
    ------
    ResultError
        If one cannot be written; then none is replaced.
    """
    key = secrets.token_hex(4)
    parts: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for baseline in baselines:
            path = folder / f"{baseline.scenario}.json"
            part = folder / f".{path.name}.{key}.part"
            parts.append((part, path))
            with part.open("w", encoding="utf-8") as file:
                file.write(baseline_text(baseline))
                file.flush()
                os.fsync(file.fileno())
        for part, path in parts:
            part.replace(path)
    except OSError as error:
        raise ResultError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        for part, _ in parts:
            part.unlink(missing_ok=True)


def baseline_text(baseline: Baseline) -> str:
    """Return the text of a baseline: a line a quantity, so that a change reads well in a diff."""
    return _laid_out({"schema": SCHEMA, **baseline.model_dump(mode="json")}) + "\n"


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON with a line for every entry of a table, and none for those of lists and pairs."""
    if not isinstance(value, dict) or len(value) <= _PAIR:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner = indent + " "
    lines = (f"{inner}{json.dumps(key)}: {_laid_out(value[key], inner)}" for key in value)
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def commit() -> str | None:
    """Commit of the checkout that castsim runs from, as `git describe` names it; else None."""
    if not (CHECKOUT / ".git").exists():
        return None
    command = ("git", "-C", str(CHECKOUT), "describe", "--always", "--tags", "--dirty")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
