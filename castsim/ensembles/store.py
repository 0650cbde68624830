"""Store: a folder of finished draws. A chunk is one Parquet file, written whole or not at all.

``study.json`` says what was asked, ``draws/`` holds the chunks. The same study adds to what is
there; another one is refused with the difference named.
"""

import fcntl
import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from castsim.ensembles.columns import CURVES, FOUND, KILLED, Outcome
from castsim.ensembles.fingerprint import SHOWN
from castsim.ensembles.sampling import A
from castsim.ensembles.study import Study
from castsim.errors import ResultError

CHUNK = 32
"""Draws a file: some seconds of work, so that little is lost when a run is killed; half the file
would be its table of columns with 8."""
MANIFEST = "study.json"
DRAWS = "draws"
INDICES = "indices"
PART = ".part"
"""Ending of a file that is not yet whole."""
_STATE = ("version", "code")
"""Entries of the manifest that say which castsim it was, and not what was asked."""
_UNSET = object()
_FLAGS = ("unreachable", "stalled", "truncated")
_NUMBERS = (
    "injected_mL",
    "coverable_deg",
    "max_tip_pressure_mmHg",
    "over_pressure_mL",
    "catheter_reflux_mm",
    "layered_fraction",
    "volume_balance_error",
)


def table_schema(study: Study) -> pa.Schema:
    """Columns of a chunk: seeds, inputs (``in.``), what was found (``found.``), numbers, curves."""
    points = len(study.volumes_mL())
    return pa.schema(
        [
            pa.field("draw", pa.int64(), nullable=False),
            pa.field("arm", pa.string(), nullable=False),
            pa.field("patient_seed", pa.int64(), nullable=False),
            pa.field("gate_seed", pa.int64(), nullable=False),
            pa.field("error", pa.string(), nullable=False),
            *(pa.field(name, pa.bool_(), nullable=False) for name in _FLAGS),
            *(pa.field(name, pa.float64()) for name in _NUMBERS),
            *(pa.field(f"in.{prior.field}", pa.float64()) for prior in study.priors),
            *(pa.field(f"found.{name}", pa.float64()) for name in FOUND),
            *(pa.field(name, pa.list_(pa.float32(), points)) for name in CURVES),
        ]
    )


def parquet_bytes(study: Study, outcomes: Sequence[Outcome]) -> bytes:
    """Outcomes as the bytes of a Parquet file; the same outcomes, the same bytes."""
    schema = table_schema(study)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for one in outcomes:
        row: dict[str, Any] = {
            name: getattr(one, name)
            for name in ("draw", "arm", "patient_seed", "gate_seed", "error")
        }
        row |= {name: getattr(one, name) for name in _FLAGS}
        row |= {name: _null_for_nan(getattr(one, name)) for name in _NUMBERS}
        row |= {f"in.{field}": value for field, value in one.inputs.items()}
        row |= {f"found.{name}": _null_for_nan(value) for name, value in one.found.items()}
        row |= dict(one.curves)
        for name in schema.names:
            columns[name].append(row.get(name))
    table = pa.table(columns, schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _null_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


class Store:
    """Finished draws of one study in one folder. Only :meth:`writing` changes anything there."""

    def __init__(self, folder: Path, study: Study, matrix: str = A) -> None:
        """Name `folder` as the place of `study`; it need not exist yet.

        `matrix` says which of its sets of draws, see :func:`castsim.ensembles.sampling.draws`;
        those beside the plan's own lie in ``indices/``, a folder each.

        Raises
        ------
        ResultError
            If it holds something else, or another plan; the difference is named.
        """
        self.folder, self.study, self.matrix = folder, study, matrix
        self.chunks = folder / DRAWS if matrix == A else folder / INDICES / matrix
        with _told(folder):
            self._check()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder if need be, and keep other processes from writing there meanwhile.

        It serves all stores of the study in this folder.

        Raises
        ------
        ResultError
            If the folder cannot be written, or another process writes there.
        """
        with _told(self.folder):
            new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            try:
                with _told(self.folder):
                    self._check()
                    self._remove_parts()
                    if not (self.folder / MANIFEST).exists():
                        self.write(self.folder / MANIFEST, self.study.to_json().encode())
            except ResultError:
                if new:
                    with suppress(OSError):
                        self.folder.rmdir()
                raise
            yield

    def missing(self, draws: int) -> list[tuple[int, int]]:
        """Chunks (first, last + 1) of the draws 0 … `draws` - 1 that are not there in full.

        A draw whose workers were killed is not there: that may have been the machine's trouble.
        A chunk that has to be made again is made as long as it was, so that no draw is lost.
        """
        gaps = []
        for first in range(0, draws, CHUNK):
            last = min(first + CHUNK, draws)
            there, good = self._stored(first)
            if good < last - first:
                gaps.append((first, max(last, first + there)))
        return gaps

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep a chunk: all arms of its draws, in any order.

        Raises
        ------
        ResultError
            If it cannot be written; what was there before stays.
        """
        place = {arm: k for k, arm in enumerate(self.study.arms)}
        ordered = sorted(outcomes, key=lambda one: (one.draw, place[one.arm]))
        self.write(self.chunk(ordered[0].draw), parquet_bytes(self.study, ordered))

    def chunk(self, first: int) -> Path:
        """File of the chunk that begins with draw `first`."""
        return self.chunks / f"{first:08d}.parquet"

    def read(self, columns: Sequence[str], draws: int) -> pa.Table:
        """Some columns of the draws 0 … `draws` - 1, in order of draw and arm.

        Raises
        ------
        ResultError
            If some of them are not there, or damaged.
        """
        parts = [_read(self.chunk(first), ["draw", *columns]) for first in range(0, draws, CHUNK)]
        table = pa.concat_tables(parts)
        return table.filter(pc.less(table["draw"], draws))

    def write(self, path: Path, content: bytes) -> None:
        """Write `content` to a temporary name and rename it; flushed to the disk before."""
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _check(self) -> None:
        """Raise when the folder holds what is not this study."""
        manifest = self.folder / MANIFEST
        if manifest.exists():
            _check_same(self.folder, manifest.read_text(encoding="utf-8"), self.study.to_json())
        elif self.folder.exists() and not _is_free(self.folder):
            raise ResultError(f"{self.folder}: exists and is no plan of castsim: choose another -o")
        elif not self.folder.exists():
            above = next(parent for parent in self.folder.absolute().parents if parent.exists())
            if not above.is_dir() or not os.access(above, os.W_OK):
                raise ResultError(f"{self.folder}: cannot be used: {above} is no writable folder")

    def _stored(self, first: int) -> tuple[int, int]:
        """Draws in the chunk that begins with `first`, none if it is absent, damaged or foreign.

        And how many of them come before the first whose workers were killed, which alone count, so
        that what is kept does not hang on chance.
        """
        if not self.chunk(first).exists():
            return 0, 0
        try:
            table = _read(self.chunk(first))
        except ResultError:
            return 0, 0
        arms = len(self.study.arms)
        count = table.num_rows // arms
        draws = np.repeat(np.arange(first, first + count), arms)
        whole = table.schema.equals(table_schema(self.study)) and np.array_equal(
            table["draw"].to_numpy(), draws
        )
        if not whole:
            return 0, 0
        errors = [*table["error"].to_pylist(), KILLED]
        return count, errors.index(KILLED) // arms

    def _remove_parts(self) -> None:
        """Take away what a killed run left half-written."""
        for part in self.folder.rglob(f".*{PART}"):
            part.unlink(missing_ok=True)


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a chunk; a damaged page does not pass its checksum."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        reason = f"{path}: cannot be read; the same command makes it again"
        raise ResultError(reason) from error


def _is_free(folder: Path) -> bool:
    """Whether nothing is there but what a run left that was killed as it began."""
    return folder.is_dir() and all(
        entry.name.startswith(f".{MANIFEST}") and entry.name.endswith(PART)
        for entry in folder.iterdir()
    )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tell trouble of the system with the folder that it concerns."""
    try:
        yield
    except OSError as error:
        raise ResultError(f"{folder}: cannot be used: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back however this process ends."""
    with _told(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResultError(
                f"{folder}: another castsim is writing there: wait for it, or choose another -o"
            ) from error
        except OSError:
            pass  # a file system without locks: every file is still written whole or not at all
        yield
    finally:
        os.close(handle)


def _check_same(folder: Path, there: str, now: str) -> None:
    if there == now:
        return
    try:
        before = dict(_flat(json.loads(there)))
    except ValueError as error:
        raise ResultError(f"{folder / MANIFEST}: cannot be read; choose another -o") from error
    after = dict(_flat(json.loads(now)))
    for name in (*before, *after):
        was, now_is = before.get(name, _UNSET), after.get(name, _UNSET)
        if was != now_is and name in _STATE:
            raise ResultError(
                f"{folder}: its draws are of another castsim: {name} was {_brief(was)}, now "
                f"{_brief(now_is)}, and draws of two must not mix; choose another -o, remove the "
                "folder to draw anew, or go on with the castsim that made it"
            )
        if was != now_is:
            raise ResultError(
                f"{folder}: holds another plan: {name} was {_shown(was)}, "
                f"now {_shown(now_is)}; choose another -o, or ask for the same"
            )
    # the place of a prior is its random coordinate, and the first arm is what others are against
    raise ResultError(
        f"{folder}: holds another plan: order of priors or arms differs; "
        "choose another -o, or ask for the same"
    )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested tables with their dotted names; priors go by their field.

    What is empty is a leaf: no rules are not the same as none given.
    """
    if isinstance(value, Mapping | list) and not value:
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            key = inner.get("field", place) if isinstance(inner, Mapping) else place
            yield from _flat(inner, f"{name}.{key}")
    else:
        yield name, value


def _brief(value: Any) -> str:
    return _shown(value if value is _UNSET else str(value)[:SHOWN])


def _shown(value: Any) -> str:
    return "not set" if value is _UNSET else repr(value)
