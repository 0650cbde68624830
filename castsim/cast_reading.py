"""A cast read back from its result folder.

``cast.json`` holds the scenario with every default filled in, and the same scenario gives the
same cast; so it is run again and held against what was written. What is drawn later is thereby
never of another cast than the numbers beside it, and no second format can go stale.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from castsim.errors import ResultError, ScenarioError
from castsim.results import REPORT
from castsim.scenario_file import SIZE_LIMIT_MB, load_scenario, scenario_from
from castsim.schema import SCHEMA, CastReport
from castsim.units import BYTES_PER_MB

if TYPE_CHECKING:
    from castsim.cast import Cast
    from castsim.drawn import DrawnCast
    from castsim.simulate import Progress

SAME_SHARE = 1e-6
"""Two machines may round differently; more than this is another prediction."""
SAME_DIFFERENCE = 1e-9
"""The same for numbers about zero, such as a balance error."""
NOT_PREDICTED = ("timing_s", "version", "volume_balance_error", "warnings")
"""Warnings are words about numbers that are compared."""


CastT_co = TypeVar("CastT_co", bound="DrawnCast", covariant=True)


@dataclass(frozen=True)
class SavedCast(Generic[CastT_co]):
    """A result folder with the cast that it tells of.

    Attributes
    ----------
    folder : where it lies
    cast : the run itself, or what its files say of it
    report : ``cast.json`` as written
    """

    folder: Path
    cast: CastT_co
    report: dict[str, Any]


def read_cast(folder: str | Path, *, progress: "Progress | None" = None) -> "SavedCast[Cast]":
    """Read a result folder that `castsim run` has written.

    Parameters
    ----------
    folder : with a ``cast.json`` in it
    progress : told what is being done

    Raises
    ------
    ResultError
        If there is no such result, it is damaged, or this castsim predicts another cast.
    """
    folder = Path(folder)
    report = read_report(folder)
    try:
        scenario = scenario_from(report["scenario"], source=str(folder / REPORT))
    except ScenarioError as error:
        raise ResultError(f"{error}; run the scenario again") from error
    from castsim.metrics import summarise
    from castsim.simulate import run

    cast = run(scenario, progress=progress)
    for field in differences(report, summarise(cast)):
        raise ResultError(
            f"{folder / REPORT}: written by castsim {report['version']}; this castsim "
            f"({cast.version}) predicts another {field}: run the scenario again"
        )
    return SavedCast(folder, cast, report)


def read_report(folder: Path) -> dict[str, Any]:
    """Read and check the ``cast.json`` of a result folder.

    Raises
    ------
    ResultError
        If there is none, or it is damaged.
    """
    path = folder / REPORT
    try:
        if path.stat().st_size > SIZE_LIMIT_MB * BYTES_PER_MB:
            raise ResultError(f"{path}: larger than {SIZE_LIMIT_MB} MB; this is no result")
        content = json.loads(path.read_text(encoding="utf-8"))
        report = CastReport.model_validate(content).model_dump(mode="json", by_alias=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        if folder.name == REPORT:
            raise ResultError(f"{folder}: name the folder that it lies in") from error
        raise ResultError(f"{folder}: {_no_result(folder)}") from error
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(key) for key in fault["loc"])
        raise ResultError(
            f"{path}: is not {SCHEMA}: {field}: {fault['msg']}; run the scenario again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: is damaged: no JSON; run the scenario again") from error
    return report


def _no_result(folder: Path) -> str:
    """Say what to do where no result lies."""
    wanted = folder.name
    try:
        load_scenario(wanted)
    except ScenarioError:
        return f"holds no {REPORT}; name a folder that `castsim run` has written"
    return f"no result here; `castsim run {wanted}` makes one, in casts/{wanted}"


def differences(one: Any, other: Any, field: str = "") -> Iterator[str]:
    """Yield the names of the fields in which two reports differ beyond rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            if key not in NOT_PREDICTED:
                name = f"{field}.{key}" if field else str(key)
                yield from differences(one.get(key), other.get(key), name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for row, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{field}.{row}")
    elif isinstance(one, float) and isinstance(other, float):
        if not isclose(one, other, rel_tol=SAME_SHARE, abs_tol=SAME_DIFFERENCE):
            yield field
    elif one != other:
        yield field
