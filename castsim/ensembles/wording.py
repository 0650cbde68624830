"""Numbers as people read them: a share never without its interval, never a false 0 or 100 %."""

EVENT_NAMES = {
    "covered_and_safe": "covered and safe",
    "covered": "covered",
    "azygos_reflux": "azygos reflux",
    "embolised": "embolised",
    "over_pressure": "over-pressure",
    "hazard": "intradural veins reached",
    "adjacent": "seen at another level",
    "stopped": "injection stalled",
}
"""Events in the order in which they are read, as people call them."""


def percent(estimate: float, low: float, high: float) -> str:
    """Write a share and its 95 % interval.

    >>> percent(0.12, 0.071, 0.179), percent(0.0, 0.0, 0.0291), percent(0.996, 0.98, 1.0)
    ('12 % [7–18 %]', '0 % [0–3 %]', '99.6 % [98–100 %]')
    """
    return f"{share(estimate)} % [{share(low)}–{share(high)} %]"


def share(value: float) -> str:
    """Write 0 to 1 as 0 to 100, with digits where it would falsely round to 0 or 100.

    >>> share(0.124), share(0.004), share(0.99996), share(1.0), share(0.0)
    ('12', '0.4', '>99.9', '100', '0')
    """
    hundred = 100.0 * value
    if 0.0 < hundred < 0.1:
        return "<0.1"
    if 99.9 < hundred < 100.0:
        return ">99.9"
    return f"{hundred:.1f}" if 0.0 < hundred < 1.0 or 99.0 < hundred < 100.0 else f"{hundred:.0f}"


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
