"""What is drawn for the validation page: the studies, their stores, and their rows as arrays.

One study answers all facts about patients: the sites of the published case mix and the arms of
the paired facts share their draws (:mod:`castsim.ensembles`), so what differs between two arms of
a draw is what was changed and nothing else. A store is kept under a digest of the code and its
data, so that a run goes on where it was stopped and never mixes draws of two versions.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from castsim.ensembles.columns import CURVES
from castsim.ensembles.engine import run_study
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.store import Store
from castsim.ensembles.study import Study, load_arm
from castsim.scenario import Scenario

FloatArray = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
STORES = ROOT / "casts" / "validation"
SOURCES = ("castsim", "geometry", "scenarios")
NO_LINKS = "patient.intersegmental_probability=0.0"


@dataclass(frozen=True)
class Site:
    """A group of levels of the published case mix and the scenario that stands for it."""

    levels: str
    share: float
    scenario: str


@cache
def case_mix() -> tuple[Site, ...]:
    """Sites of 78 fistulas in 60 patients (Borg 2022), most frequent first."""
    with (Path(__file__).parent / "case_mix.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    total = sum(int(row["fistulas"]) for row in rows)
    return tuple(Site(row["sites"], int(row["fistulas"]) / total, row["scenario"]) for row in rows)


def arms() -> dict[str, Scenario]:
    """Sites of the case mix, and at right T9 what the paired facts compare.

    The first arm, ``right-t9``, has its tip in the foramen.
    """
    balloon = load_arm("right-t9-balloon")
    deflated = balloon.catheter.model_copy(update={"balloon": None})
    return {
        **{site.scenario: load_arm(site.scenario) for site in case_mix()},
        "segmental": load_arm("right-t9-segmental"),
        "blocked": balloon,
        "unblocked": balloon.model_copy(update={"catheter": deflated}),
        "right-t9 without links": load_arm("right-t9", [NO_LINKS]),
    }


def patients() -> Study:
    """Everything drawn, all arms."""
    return Study(arms(), bundled_priors())


@dataclass(frozen=True)
class Rows:
    """Runs of one arm that came to their end, by draw.

    Attributes
    ----------
    arm : its label
    draws : asked for
    draw : (n,) numbers of those that came to their end
    numbers : column → (n,)
    curves : column → (n, v)
    volumes_mL : (v,)
    errors : draw → what went wrong
    """

    arm: str
    draws: int
    draw: NDArray[np.int64]
    numbers: Mapping[str, FloatArray]
    curves: Mapping[str, FloatArray]
    volumes_mL: FloatArray
    errors: Mapping[int, str]

    def at(self, column: str, volume_mL: float) -> FloatArray:
        """A curve at one volume, (n,)."""
        return self.curves[column][:, self.place(volume_mL)]

    def place(self, volume_mL: float) -> int:
        """Index of a volume on the grid."""
        return int(np.abs(self.volumes_mL - volume_mL).argmin())

    def first(self, happened: NDArray[np.bool_]) -> FloatArray:
        """Least volume at which `happened` (n, v), mL; inf: never, (n,)."""
        first = self.volumes_mL[happened.argmax(axis=1)]
        return np.where(happened.any(axis=1), first, np.inf)

    def of(self, draw: NDArray[np.int64]) -> "Rows":
        """Only these draws, all of which came to their end."""
        kept = np.searchsorted(self.draw, draw)
        return Rows(
            self.arm,
            self.draws,
            draw,
            {name: values[kept] for name, values in self.numbers.items()},
            {name: values[kept] for name, values in self.curves.items()},
            self.volumes_mL,
            self.errors,
        )


NUMBERS = (
    "coverable_deg",
    "injected_mL",
    "volume_balance_error",
    "stalled",
    "truncated",
    "over_pressure_mL",
)


def paired(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """Both arms of the draws that came to their end in both."""
    both = np.intersect1d(one.draw, other.draw)
    return one.of(both), other.of(both)


def run(
    study: Study, name: str, draws: int, progress: Callable[[int, int], None] | None = None
) -> dict[str, Rows]:
    """Rows of every arm; what the store holds is not run again."""
    store = Store(STORES / f"{name}-{digest()}", study)
    run_study(store, draws, progress=progress)
    table = store.read(("arm", "error", *NUMBERS, *CURVES), draws)
    return {arm: _rows(table, study, arm, draws) for arm in study.arms}


def _rows(table: pa.Table, study: Study, arm: str, draws: int) -> Rows:
    table = table.filter(pc.equal(table["arm"], arm))
    failed = table.filter(pc.not_equal(table["error"], ""))
    table = table.filter(pc.equal(table["error"], ""))
    volumes = study.volumes_mL()

    def matrix(name: str) -> FloatArray:
        flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=float).reshape(-1, len(volumes))

    return Rows(
        arm,
        draws,
        table["draw"].to_numpy(),
        {n: table[n].to_numpy(zero_copy_only=False).astype(float) for n in NUMBERS},
        {n: matrix(n) for n in CURVES},
        volumes,
        dict(zip(failed["draw"].to_pylist(), failed["error"].to_pylist(), strict=True)),
    )


@cache
def digest() -> str:
    """Twelve letters that stand for every line of the code and of its data."""
    total = hashlib.sha256()
    for path in sorted(_source_files()):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def _source_files() -> Iterable[Path]:
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".csv", ".toml"}:
                yield path
