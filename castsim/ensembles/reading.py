"""Reading: what a store holds of one arm, as arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from castsim.ensembles.curves import EVENTS, matrix
from castsim.ensembles.drivers import OUTCOMES
from castsim.ensembles.store import Store

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def rows_of(store: Store, columns: Sequence[str], n_draws: int, arm: str) -> pa.Table:
    """Some columns of the draws 0 … `n_draws` - 1 of one arm, in order; failed ones too."""
    table = store.read(list(dict.fromkeys(("arm", "error", *columns))), n_draws)
    return table.filter(pc.equal(table["arm"], arm))


def succeeded(table: pa.Table) -> pa.ChunkedArray:
    """Which rows came to their end."""
    return pc.equal(table["error"], "")


def place_of(volumes_mL: FloatArray, volume_mL: float) -> int:
    """Place of the nearest volume of the grid."""
    return int(np.abs(volumes_mL - volume_mL).argmin())


def outcomes_at(
    table: pa.Table, happened: Mapping[str, BoolArray], place: int, points: int
) -> dict[str, FloatArray]:
    """Values of `drivers.OUTCOMES` in each draw, by the volume at `place` of the grid."""
    values = {
        name: happened[name] if name in EVENTS else matrix(table, name, points) for name in OUTCOMES
    }
    return {name: curves[:, place].astype(float) for name, curves in values.items()}
