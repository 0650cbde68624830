"""What an injection left in the cells of a mesh, be they stretches of vein or cubes as well."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from castsim.history import History
from castsim.injection import Injection
from castsim.kernels.laws import shell_fraction

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Filled:
    """Arrays over all n cells of a mesh; volumes in mm3 (= uL), inf: never.

    Attributes
    ----------
    first_volume, full_volume : (n,) mm3 out of the tip when agent came, and when it filled the cell
    first_time, full_time : (n,) s after the first push of agent
    saturation : (n,) share of the cell's volume that is agent at the end
    solid_fraction : (n,) share of the lumen that has gelled at the end, 0 without agent
    swept_volume : (n,) mm3 of agent that blood carried off from the cell
    first_swept : (n,) mm3 out of the tip when that began
    window : (k,) cells that the injection ran on
    injection : balances, log, stop reason and what else the run tells (on its window of cells)
    """

    first_volume: FloatArray
    full_volume: FloatArray
    first_time: FloatArray
    full_time: FloatArray
    saturation: FloatArray
    solid_fraction: FloatArray
    swept_volume: FloatArray
    first_swept: FloatArray
    window: IntArray
    injection: Injection

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @classmethod
    def spread(cls, n: int, window: IntArray, injection: Injection, **own: Any) -> Self:
        """Spread the result of an injection on the `window` (k,) over all `n` cells of a mesh.

        Parameters
        ----------
        own : the other attributes
        """
        state, graph = injection.state, injection.graph

        def whole(values: FloatArray, elsewhere: float) -> FloatArray:
            result = np.full(n, elsewhere)
            result[window] = values
            return result

        saturation = state.agent_volume / graph.volume
        some = np.flatnonzero(saturation > 0.0)
        solid = np.zeros(len(saturation))
        solid[some] = solid_share(state.gel[some], graph.annular[some] == 1)
        return cls(
            first_volume=whole(state.first_volume, np.inf),
            full_volume=whole(state.full_volume, np.inf),
            first_time=whole(state.first_time, np.inf),
            full_time=whole(state.full_time, np.inf),
            saturation=whole(saturation, 0.0),
            solid_fraction=whole(solid, 0.0),
            swept_volume=whole(state.swept + state.torn, 0.0),
            first_swept=whole(state.first_swept, np.inf),
            window=window,
            injection=injection,
            **own,
        )

    @property
    def injected(self) -> float:
        """Agent out of the tip, mm3."""
        return self.injection.injected

    @cached_property
    def history(self) -> History:
        """What every cell has been through."""
        return History(
            self.first_volume,
            self.full_volume,
            self.saturation,
            self.injection.tears,
            self.window,
            self.injected,
        )


def solid_share(gel: FloatArray, annular: NDArray[np.bool_]) -> FloatArray:
    """Share of the lumen that has gelled: the shell's area, or its part of the gap."""
    shell = np.array([shell_fraction(f, ring) for f, ring in zip(gel, annular, strict=True)])
    open_part = 1.0 - shell
    return np.where(annular, 1.0 - open_part, 1.0 - open_part**2)
