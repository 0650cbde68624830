"""The seam between the physics of a step and the way in which its pressures are solved.

What a step asks of a solver are the functions below. Each has one variant for every kind of
`region`: numba picks it by type, so that each kernel above the seam is compiled once for each
solver, with neither a flag nor a second kernel. :mod:`region` eliminates exactly what an injection
has changed; :mod:`near` iterates on the cells near agent.

Both kinds of region list `faces`, whose law a solve works out, and `cell`, whose pressures it
sets; `size` tells how many they are (`CELLS`, `FACES`).
"""

from typing import Any

from numba.core import types
from numba.extending import overload

Plan = Any
"""`elimination.Elimination` or `multigrid.Levels`: how to solve."""
Solved = Any
"""`region.Region` or `near.Near`: what to solve."""


def variant(stub: Any, kind: type) -> Any:
    """Make a kernel the variant of `stub` for arguments among which is a region of this `kind`."""

    def register(function: Any) -> Any:
        def choose(*given: types.Type) -> Any:
            kinds = [getattr(t, "instance_class", None) for t in given]
            if kind not in kinds:
                return None
            # numba takes a function of Python here, not a kernel
            return lambda *given: function(*given)  # noqa: PLW0108

        overload(stub, strict=False)(choose)
        stub.variants[kind] = function
        return function

    return register


def seam(function: Any) -> Any:
    """Let a function be that variant of it which fits its arguments, where nothing is compiled."""
    variants: dict[type, Any] = {}

    def choose(*given: Any) -> Any:
        (kind,) = {type(one) for one in given} & variants.keys()
        return variants[kind](*given)

    choose.__name__, choose.__doc__ = function.__name__, function.__doc__
    choose.variants = variants  # type: ignore[attr-defined]
    return choose


@seam
def enclose(graph: Any, work: Any, plan: Plan, region: Solved, tip: int) -> None:
    """Let the solve hold all that agent has changed."""
    raise NotImplementedError


@seam
def prepare(graph: Any, plan: Plan, region: Solved) -> None:
    """List cells and faces anew if need be; a new solve begins."""
    raise NotImplementedError


@seam
def place_of(plan: Plan, region: Solved, cell: int) -> int:
    """Place of a cell in `work.base` and `work.unit`."""
    raise NotImplementedError


@seam
def linear_solve(
    graph: Any,
    state: Any,
    work: Any,
    plan: Plan,
    region: Solved,
    source: Any,
    tip: int,
    tip_open: bool,
) -> tuple[float, float]:
    """Pressures with the present diodes; return intercept and slope of the inflow.

    `tip` is the place of the tip's cell. Fills `work.base`, pressures with the hub at zero, and
    `work.unit`, for one Pa at the hub, in the order of `region.cell`.
    """
    raise NotImplementedError


@seam
def foresee(
    graph: Any, state: Any, work: Any, plan: Plan, region: Solved, source: Any, tip: int
) -> None:
    """Bring the diodes near to their states in the coming solves, where these are dear."""
    raise NotImplementedError


@seam
def noise(region: Solved, rounds: int, largest: float) -> float:
    """Drive of a diode, Pa, below which it may be the solver's error, after `rounds` in vain."""
    raise NotImplementedError


@seam
def surrounded(region: Solved, cell: int) -> bool:
    """Whether all flows around a cell are known."""
    raise NotImplementedError


@seam
def hand_over(
    graph: Any,
    agent: Any,
    state: Any,
    work: Any,
    plan: Plan,
    region: Solved,
    cell: int,
    inflow: float,
    count: int,
) -> tuple[int, bool]:
    """Hand a filled cell's inflow to its outflows; return receivers and whether to solve again."""
    raise NotImplementedError


@seam
def wider(region: Solved) -> bool:
    """Whether the region must be made anew, or another plan, before the next step."""
    raise NotImplementedError
