"""Events and numbers as people read them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

EVENT_NAMES = {
    "covered_and_safe": "covered and safe",
    "covered": "covered",
    "azygos_reflux": "azygos reflux",
    "embolised": "towards the lungs",
    "over_pressure": "over-pressure",
    "hazard": "intradural agent",
    "adjacent": "other level",
    "stopped": "stalled",
}
"""Events in the order in which they are read, as people call them."""
_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(\.\d+)?(?!\w)")


def patients(draws: Mapping[str, Any]) -> str:
    """Say of whom all chances are, from the ``draws`` of ``plan.json``.

    >>> patients({"simulated": 56, "unreachable": []}), patients({"simulated": 1, "unreachable": 8})
    ('56 simulated patients', '1 patient reached')
    """
    count = draws["simulated"]
    noun = "patient" if count == 1 else "patients"
    return f"{count} {noun} reached" if draws["unreachable"] else f"{count} simulated {noun}"


def reason(error: str) -> str:
    """What an error says, without the name of its kind.

    >>> reason("UnreachableError: tip: no foraminal T7 left")
    'tip: no foraminal T7 left'
    """
    return error.partition(": ")[2]


def kinds_of(name: str, errors: Iterable[str]) -> list[tuple[str, int]]:
    """What errors of the scenario `name` say but for their numbers, and how often, most first.

    >>> kinds_of("a", ["E: a: balloon too small for 3.4 mm", "E: a: balloon too small for 4 mm"])
    [('balloon too small for … mm', 2)]
    >>> kinds_of("a", ["E: a: no foraminal T7 left in this anatomy; it has T6"])
    [('no foraminal T7 left in this anatomy', 1)]
    """
    told = (reason(error).removeprefix(f"{name}: ").partition(";")[0] for error in errors)
    return Counter(map(without_numbers, told)).most_common()


def without_numbers(text: str) -> str:
    """Text in which numbers, which differ from patient to patient, are left out.

    >>> without_numbers("T9: 3.4 mm")
    'T9: … mm'
    """
    return _NUMBER.sub("…", text)


def millilitres(low: float, high: float) -> str:
    """Write a stretch of volumes, to a hundredth of a millilitre.

    >>> millilitres(0.14, 0.3)
    '0.14–0.30 mL'
    """
    return f"{low:.2f}–{high:.2f} mL"
