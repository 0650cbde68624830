"""Events and numbers as people read them."""

EVENT_NAMES = {
    "covered_and_safe": "covered and safe",
    "covered": "covered",
    "azygos_reflux": "azygos reflux",
    "embolised": "embolised",
    "over_pressure": "over-pressure",
    "hazard": "intradural agent",
    "adjacent": "other level",
    "stopped": "stalled",
}
"""Events in the order in which they are read, as people call them."""


def millilitres(low: float, high: float) -> str:
    """Write a stretch of volumes, to a hundredth of a millilitre.

    >>> millilitres(0.14, 0.3)
    '0.14–0.30 mL'
    """
    return f"{low:.2f}–{high:.2f} mL"


def number(value: float) -> str:
    """Write a number with as many digits as it has, three at most.

    >>> number(0.0), number(1.0), number(0.745), number(38000.0), number(0.00030001)
    ('0', '1', '0.745', '38000', '0.0003')
    """
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if "e+" in text else text
