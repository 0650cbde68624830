"""castsim: where a liquid embolic agent goes when it is injected into the veins of the spine.

>>> import castsim
>>> cast = castsim.run("right-t9", seed=0)  # doctest: +SKIP
>>> castsim.write_cast(cast, "casts/right-t9")  # doctest: +SKIP

Read scenario.py (what is injected where), simulate.py (one run), cast.py and metrics.py (what
came of it). Importing castsim loads none of them; a name is loaded when it is first used.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from castsim.cast import Cast as Cast
    from castsim.cast_reading import read_cast as read_cast
    from castsim.ensembles.planning import Plan as Plan
    from castsim.ensembles.plans import compare as compare
    from castsim.ensembles.plans import plan as plan
    from castsim.metrics import summarise as summarise
    from castsim.results import write_cast as write_cast
    from castsim.scenario import Scenario as Scenario
    from castsim.scenario_file import load_scenario as load_scenario
    from castsim.simulate import run as run

_WHERE = {
    "Cast": "cast",
    "Plan": "ensembles.planning",
    "Scenario": "scenario",
    "compare": "ensembles.plans",
    "load_scenario": "scenario_file",
    "plan": "ensembles.plans",
    "read_cast": "cast_reading",
    "run": "simulate",
    "summarise": "metrics",
    "write_cast": "results",
}

__all__ = [
    "Cast",
    "Plan",
    "Scenario",
    "__version__",
    "compare",
    "load_scenario",
    "plan",
    "read_cast",
    "run",
    "summarise",
    "write_cast",
]


def _check_geometry() -> None:
    """Refuse another package of the name, such as a folder beside the user's script.

    It would be read instead of the one that came with castsim, and compiled kernels with it.
    """
    own = Path(__file__).parents[1] / "geometry" / "__init__.py"
    spec = find_spec("geometry")
    found = None if spec is None or spec.origin is None else Path(spec.origin)
    if found is None or found.resolve() != own.resolve():
        raise ImportError(
            f"castsim needs its own package geometry in {own.parent}, but Python finds "
            f"{'none' if found is None else found.parent}: rename that, or run from elsewhere"
        )


_check_geometry()


def __getattr__(name: str) -> Any:
    """Load the module of a public name when it is first used."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
