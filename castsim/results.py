"""Result folders: every file or none.

All files go into a hidden folder beside the wanted one, are flushed to the disk, and the
folder is then renamed whole. An earlier result is replaced; anything else is left alone.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from castsim.errors import MissingError, ResultError, SolverError
from castsim.schema import SCHEMA, CastReport

if TYPE_CHECKING:
    from castsim.cast import Cast
    from geometry.anatomy import Anatomy
    from geometry.levels import Level
    from geometry.network import FloatArray
    from geometry.surface import LumenSurface

REPORT = "cast.json"
FILES = (REPORT, "cast.vtp", "cast.vtu", "cast.png", "scene.html")
MADE_LATER = ("view-", "movie-", "fluoro-", "report.html")
"""How the files begin that other commands draw from a cast and put beside it."""

_FORMAT = SCHEMA.partition("/")[0]


@dataclass(frozen=True)
class Written:
    """A written result.

    Attributes
    ----------
    folder : where it lies
    report : what ``cast.json`` holds
    notes : one line for each file that could not be made on this machine
    """

    folder: Path
    report: dict[str, Any]
    notes: tuple[str, ...]


def check_folder(folder: Path) -> None:
    """Make sure, before anything is computed, that a result can be written to `folder`.

    Raises
    ------
    ResultError
        If something that is no castsim result is in the way, or no folder can be made there.
    """
    target = _resolved(folder)
    try:
        if target.is_dir():
            _check_replaceable(target, folder)
        elif target.exists():
            raise ResultError(f"{folder}: is a file; the result is a folder: choose another -o")
        place = next(parent for parent in target.parents if parent.exists())
        if not place.is_dir():
            raise ResultError(f"{folder}: cannot be made, {place} is a file: choose another -o")
        if not os.access(place, os.W_OK | os.X_OK):
            raise ResultError(f"{folder}: cannot be made, {place} is not writable")
    except OSError as error:
        raise ResultError(f"{folder}: cannot be used: {error.strerror or error}") from error


def check_file(path: Path, *suffixes: str) -> None:
    """Make sure, before anything is computed, that a file can be written to `path`.

    Raises
    ------
    ResultError
        If its name ends in none of `suffixes`, or it cannot be made there.
    """
    if path.suffix.lower() not in suffixes:
        raise ResultError(f"{path}: the name must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ResultError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise ResultError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ResultError(f"{path}: {path.parent} is not writable")


def check_surface(
    path: Path | None,
    levels: str | None,
    spacing_mm: float | None,
    tolerance_mm: float | None = None,
) -> "tuple[Level, Level] | None":
    """Make sure, before anything is computed, that a surface can be written; the levels asked for.

    Parameters
    ----------
    path : file of the surface; None: none is asked for, and the levels are those of the table
    levels : such as ``"T7:T11"`` or ``"T9"``; None: all

    Raises
    ------
    ResultError
        If `path` cannot be written or is missing, or `levels` are none or run upwards.
    """
    from castsim.surface_files import SUFFIXES
    from geometry.levels import VERTEBRAE

    if path is None:
        given = {"--spacing-mm": spacing_mm, "--tolerance-mm": tolerance_mm}
        for option in (name for name, value in given.items() if value is not None):
            raise ResultError(f"{option} says what --surface writes: name its FILE")
    else:
        check_file(path, *SUFFIXES)
    if levels is None:
        return None
    names = [name.strip().upper() for name in levels.split(":")]
    known = {level.name: level for level in VERTEBRAE}
    for name in names:
        if name not in known:
            raise ResultError(
                f"--levels {levels}: {name or 'nothing'} is no vertebra; C1 to C7, T1 to T12, "
                "L1 to L5 and S1 are, and a window is written as T7:T11"
            )
    if len(names) > 2:
        raise ResultError(f"--levels {levels}: name the upper and the lower vertebra, as T7:T11")
    upper, lower = known[names[0]], known[names[-1]]
    if upper > lower:
        raise ResultError(
            f"--levels {levels} run upwards: name the upper one first, {lower.name}:{upper.name}"
        )
    return upper, lower


def write_anatomy(anatomy: "Anatomy", path: Path) -> None:
    """Write the veins of an anatomy as polylines (VTP), whole or not at all.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    from castsim.vtp import network_polydata, write_vtp

    check_file(path, ".vtp")
    write_file(path, lambda part: write_vtp(network_polydata(anatomy.network), part))


def write_surface(
    surface: "LumenSurface", path: Path, arrival_volume_mL: "FloatArray | None" = None
) -> None:
    """Write a surface of the lumen as STL, PLY or VTP, whole or not at all.

    Parameters
    ----------
    arrival_volume_mL : (v,) of :func:`castsim.cast_surface.arrival_volume_mL`; only VTP holds it

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    from castsim.surface_files import SUFFIXES, surface_bytes

    check_file(path, *SUFFIXES)
    write_file(path, lambda part: surface_bytes(surface, part, arrival_volume_mL))


def write_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file of another name, then give it its own: whole or not at all.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        write(part)
        _flush(part)
        part.replace(path)
    except OSError as error:
        raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_cast(cast: "Cast", folder: str | Path, *, render: bool = True) -> Written:
    """Write ``cast.json``, ``cast.vtp`` and, if `render`, ``cast.png`` and ``scene.html``.

    Where there are cubes, ``cast.vtu`` holds them.

    Parameters
    ----------
    cast : the result of :func:`castsim.run`
    folder : made with its parents; an earlier result in it is replaced
    render : whether to draw

    Raises
    ------
    ResultError
        If the folder cannot be written; nothing is left behind.
    """
    from castsim.metrics import summarise
    from castsim.vtp import cast_polydata, voxel_boxes, write_vtp

    began = time.perf_counter()
    folder = Path(folder)
    check_folder(folder)
    report: dict[str, Any] = dict(summarise(cast))
    notes: list[str] = []
    with _renamed_whole(folder) as part:
        write_vtp(cast_polydata(cast), part / "cast.vtp")
        if cast.voxels is not None:
            write_vtp(voxel_boxes(cast.voxels), part / "cast.vtu")
        if render:
            from castsim.rendering import export_html, render_png

            draw: tuple[tuple[Callable[[Path], None], str], ...] = (
                (lambda path: render_png(cast, path), "cast.png"),
                (lambda path: export_html(cast, path, summary=report), "scene.html"),
            )
            for write, name in draw:
                try:
                    write(part / name)
                except MissingError as error:
                    notes.append(f"{error} (everything else was done)")
        output = report["timing_s"]["output"] + time.perf_counter() - began
        report["timing_s"] = {**report["timing_s"], "output": output}
        report = checked_report(report)
        (part / REPORT).write_text(report_text(report), encoding="utf-8")
    return Written(folder, report, tuple(dict.fromkeys(notes)))


def checked_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return `report` in the declared order, checked against ``castsim.cast/1``.

    Raises
    ------
    SolverError
        If a quantity is missing, undeclared, not finite or out of its range.
    """
    try:
        checked = CastReport.model_validate(_plain(report))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(key) for key in fault["loc"])
        raise SolverError(f"result does not fit {SCHEMA}: {field}: {fault['msg']}") from error
    return checked.model_dump(mode="json", by_alias=True)


def report_text(report: Mapping[str, Any]) -> str:
    """Return the text of ``cast.json``: floats by their shortest exact form, no NaN."""
    return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Turn arrays and numpy scalars into lists and numbers."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _resolved(folder: Path) -> Path:
    """Follow symbolic links, so that the folder meant is replaced and not a link to it."""
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ResultError(f"{folder}: cannot be used: {error}") from error


def _check_replaceable(target: Path, shown: Path) -> None:
    names = sorted(entry.name for entry in target.iterdir())
    if not names:
        return
    if not _is_result(target / REPORT):
        raise ResultError(
            f"{shown}: exists and is not a castsim result; it is left alone: choose another -o"
        )
    strange = [name for name in names if name not in FILES and not name.startswith(MADE_LATER)]
    if strange:
        raise ResultError(
            f"{shown}: holds files that castsim did not write ({', '.join(strange[:3])}); "
            "move them or choose another -o"
        )


def _is_result(report: Path) -> bool:
    """Tell whether `report` is a ``cast.json`` of any version."""
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and str(content.get("schema")).partition("/")[0] == _FORMAT


@contextmanager
def _renamed_whole(folder: Path) -> Iterator[Path]:
    """Give a new hidden folder beside `folder` and put it in its place when all is well."""
    target = _resolved(folder)
    key = secrets.token_hex(4)
    part = target.with_name(f".{target.name}.{key}.part")
    old = target.with_name(f".{target.name}.{key}.old")
    made: list[Path] = []
    try:
        made = _make_parents(target.parent)
        part.mkdir()
        yield part
        for entry in part.iterdir():
            _flush(entry)
        _flush(part)
        if target.exists():
            check_folder(folder)
            target.rename(old)
        try:
            part.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
        _flush(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        for parent in reversed(made):
            if not any(parent.iterdir()):
                parent.rmdir()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise ResultError(f"{folder}: cannot be written: {reason}") from error
        raise


def _make_parents(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it; return what was made, outermost first."""
    missing = [folder, *folder.parents]
    made = [path for path in missing if not path.exists()][::-1]
    for path in made:
        path.mkdir(exist_ok=True)
    return made


def _flush(path: Path) -> None:
    """Have the system put a file or folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
