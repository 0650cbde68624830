"""What the operator does: steps of injection, pauses, and rules for when to stop or wait.

Volumes are agent out of the tip; the solvent in the dead space of the catheter goes before
the first step, at its rate.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

from castsim.errors import ScenarioError


@dataclass(frozen=True)
class Step:
    """Push agent out of the tip.

    Attributes
    ----------
    volume : µL out of the tip, > 0
    rate : µL/s set at the syringe, > 0
    """

    volume: float
    rate: float

    def __post_init__(self) -> None:
        for quantity, value in (("volume", self.volume), ("rate", self.rate)):
            if not (math.isfinite(value) and value > 0):
                raise ScenarioError(f"a step needs a finite {quantity} above 0, got {value}")


@dataclass(frozen=True)
class Pause:
    """Hold the syringe still.

    Attributes
    ----------
    duration : s, > 0
    """

    duration: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise ScenarioError(f"a pause needs a finite duration above 0 s, got {self.duration}")


class RuleKind(IntEnum):
    """What the operator watches; the value is the code that kernels read."""

    AZYGOS_REFLUX = 0  # µL of agent in the azygos system that fluoroscopy would show
    CATHETER_REFLUX = 1  # mm of agent back along the catheter
    TIP_PRESSURE = 2  # Pa, reduced, at the tip
    HUB_PRESSURE = 3  # Pa at the hub
    COVERAGE = 4  # degrees of the target root wrapped


class RuleAction(IntEnum):
    """What the operator does when a rule is met."""

    STOP = 0
    PAUSE = 1


@dataclass(frozen=True)
class Rule:
    """One thing that the operator watches, and what happens when it comes.

    A rule with a pause acts `times` times: after each, `threshold` counts from the value
    then reached, so that resumed reflux is met again; afterwards it is ignored.

    Attributes
    ----------
    kind : what is watched
    threshold : µL, mm, Pa, Pa or degrees, by `kind`; >= 0
    action : stop the injection, or pause and resume
    pause : s, for the action pause
    times : how often a pause may be taken
    visible_calibre : mm, thinner veins do not show (for AZYGOS_REFLUX)
    """

    kind: RuleKind
    threshold: float
    action: RuleAction = RuleAction.STOP
    pause: float = 0.0
    times: int = 1
    visible_calibre: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise ScenarioError(
                f"a rule on {self.kind.name.lower()} needs a finite threshold of 0 or more, "
                f"got {self.threshold}"
            )
        if self.action is RuleAction.PAUSE and not (math.isfinite(self.pause) and self.pause > 0):
            raise ScenarioError(
                f"a rule on {self.kind.name.lower()} that pauses needs a finite pause above 0 s, "
                f"got {self.pause}"
            )


@dataclass(frozen=True)
class Protocol:
    """Steps and pauses in order, and the rules that hold throughout.

    Neighbouring steps of one rate are merged, and so are neighbouring pauses: how a
    scenario cuts one push into steps must not change what comes out.

    Attributes
    ----------
    steps : at least one :class:`Step` among them
    rules : may be empty
    """

    steps: tuple[Step | Pause, ...]
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if not any(isinstance(step, Step) for step in self.steps):
            raise ScenarioError("a protocol needs at least one step that injects")
        object.__setattr__(self, "steps", _merged(self.steps))

    @property
    def volume(self) -> float:
        """Volume out of the tip when nothing stops the run, µL."""
        return sum(step.volume for step in self.steps if isinstance(step, Step))

    @property
    def first_rate(self) -> float:
        """Rate of the first step, µL/s; the solvent in the dead space goes at it too."""
        return next(step.rate for step in self.steps if isinstance(step, Step))

    @property
    def least_rate(self) -> float:
        """Least rate of all steps, µL/s."""
        return min(step.rate for step in self.steps if isinstance(step, Step))

    @property
    def largest_rate(self) -> float:
        """Largest rate of all steps, µL/s."""
        return max(step.rate for step in self.steps if isinstance(step, Step))

    @property
    def longest_pause(self) -> float:
        """Longest planned pause, or pause that a rule may take, s; 0 without any."""
        planned = [step.duration for step in self.steps if isinstance(step, Pause)]
        ruled = [rule.pause for rule in self.rules if rule.action is RuleAction.PAUSE]
        return max(planned + ruled, default=0.0)


def _merged(steps: tuple[Step | Pause, ...]) -> tuple[Step | Pause, ...]:
    merged: list[Step | Pause] = []
    for step in steps:
        last = merged[-1] if merged else None
        if isinstance(step, Step) and isinstance(last, Step) and step.rate == last.rate:
            merged[-1] = Step(last.volume + step.volume, step.rate)
        elif isinstance(step, Pause) and isinstance(last, Pause):
            merged[-1] = Pause(last.duration + step.duration)
        else:
            merged.append(step)
    return tuple(merged)
