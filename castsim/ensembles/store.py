"""Store: a folder of finished draws. A chunk is one Parquet file, written whole or not at all.

``study.json`` says what was asked, ``draws/`` holds the chunks. The same study adds to what is
there; another one is refused with the difference named.
"""

import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from castsim.ensembles.outcome import CURVES, FOUND, Outcome
from castsim.ensembles.sampling import A
from castsim.ensembles.study import Study
from castsim.errors import ResultError

CHUNK = 32
"""Draws a file: some seconds of work, so that little is lost when a run is killed."""
MANIFEST = "study.json"
DRAWS = "draws"
INDICES = "indices"
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
            pa.field("stalled", pa.bool_(), nullable=False),
            pa.field("truncated", pa.bool_(), nullable=False),
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
        row |= {"stalled": one.stalled, "truncated": one.truncated}
        row |= {name: _null_for_nan(getattr(one, name)) for name in _NUMBERS}
        row |= {f"in.{field}": value for field, value in one.inputs.items()}
        row |= {f"found.{name}": _null_for_nan(value) for name, value in one.found.items()}
        row |= dict(one.curves)
        for name in schema.names:
            columns[name].append(row.get(name))
    table = pa.table(columns, schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _null_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


class Store:
    """Finished draws of one study in one folder."""

    def __init__(self, folder: Path, study: Study, matrix: str = A) -> None:
        """Open `folder` for `study`, made if need be.

        `matrix` says which of its sets of draws, see :func:`castsim.ensembles.sampling.draws`;
        those beside the plan's own lie in ``indices/``, a folder each.

        Raises
        ------
        ResultError
            If it holds something else, or another study; the difference is named.
        """
        self.folder, self.study, self.matrix = folder, study, matrix
        self.chunks = folder / DRAWS if matrix == A else folder / INDICES / matrix
        text = study.to_json()
        manifest = folder / MANIFEST
        try:
            if manifest.exists():
                _check_same(folder, manifest.read_text(encoding="utf-8"), text)
            elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise ResultError(f"{folder}: exists and holds no study: choose another -o")
            self.chunks.mkdir(parents=True, exist_ok=True)
            self._remove_parts()
            if not manifest.exists():
                self.write(manifest, text.encode())
        except OSError as error:
            raise ResultError(f"{folder}: cannot be used: {error.strerror or error}") from error

    def missing(self, draws: int) -> list[tuple[int, int]]:
        """Chunks (first, last + 1) of the draws 0 … `draws` - 1 that are not there in full."""
        chunks = [(first, min(first + CHUNK, draws)) for first in range(0, draws, CHUNK)]
        return [(first, last) for first, last in chunks if self._stored(first) < last - first]

    def add(self, first: int, content: bytes) -> None:
        """Keep a finished chunk.

        Raises
        ------
        ResultError
            If it cannot be written; what was there before stays.
        """
        self.write(self.chunk(first), content)

    def chunk(self, first: int) -> Path:
        """File of the chunk that begins with draw `first`."""
        return self.chunks / f"{first:08d}.parquet"

    def read(self, columns: Sequence[str], draws: int) -> pa.Table:
        """Some columns of the draws 0 … `draws` - 1, in order of draw and arm."""
        parts = [
            pq.read_table(self.chunk(first), columns=["draw", *columns])
            for first in range(0, draws, CHUNK)
        ]
        table = pa.concat_tables(parts)
        return table.filter(pa.compute.less(table["draw"], draws))

    def write(self, path: Path, content: bytes) -> None:
        """Write `content` to a temporary name and rename it; flushed to the disk before."""
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)

    def _stored(self, first: int) -> int:
        """Draws in the chunk that begins with `first`, 0 if there is none that can be read."""
        path = self.chunk(first)
        if not path.exists():
            return 0
        try:
            rows: int = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            return 0
        return rows // len(self.study.arms)

    def _remove_parts(self) -> None:
        """Take away what a killed run left half-written."""
        for folder in (self.folder, self.chunks):
            for part in folder.glob(".*.part"):
                part.unlink(missing_ok=True)


def _check_same(folder: Path, there: str, now: str) -> None:
    try:
        before = dict(_flat(json.loads(there)))
    except ValueError as error:
        raise ResultError(f"{folder / MANIFEST}: cannot be read; choose another -o") from error
    after = dict(_flat(json.loads(now)))
    for name in (*before, *after):
        if before.get(name) != after.get(name):
            raise ResultError(
                f"{folder}: holds another study: {name} was {_shown(before.get(name))}, "
                f"now {_shown(after.get(name))}; choose another -o, or ask for the same"
            )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested tables with their dotted names; priors go by their field."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            key = inner.get("field", place) if isinstance(inner, Mapping) else place
            yield from _flat(inner, f"{name}.{key}")
    else:
        yield name, value


def _shown(value: Any) -> str:
    return "not set" if value is None else repr(value)
