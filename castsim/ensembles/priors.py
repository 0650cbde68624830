"""Priors: what is believed about each number that a plan cannot know (``data/priors.toml``)."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.special import ndtr, ndtri

from castsim.errors import CastsimError, ScenarioError
from castsim.naming import did_you_mean

GROUPS = ("anatomy", "physiology", "agent", "practice")
_Z95 = float(ndtri(0.975))


class Prior(BaseModel):
    """One number that a draw sets at random.

    `field` is its place in the scenario. ``agent`` stands for the lognormal of the agent's own
    row in the tables, see :meth:`of_agent`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    field: str
    group: Literal["anatomy", "physiology", "agent", "practice"]
    distribution: Literal["normal", "lognormal", "uniform", "agent"]
    median: float | None = None
    low: float | None = None
    high: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    relative: bool = False
    unit: str
    status: Literal["seen", "recalled", "estimate"]
    source: str = Field(min_length=1)
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_drawn_from(self) -> "Prior":
        numbers = (self.median, self.low, self.high)
        if self.distribution == "agent":
            if any(number is not None for number in numbers):
                raise ValueError("median, low and high of an agent are those of its own tables")
            return self
        if self.low is None or self.high is None:
            raise ValueError("low and high: missing")
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}")
        if self.distribution == "uniform":
            if self.minimum is not None or self.maximum is not None:
                raise ValueError("a uniform prior ends at low and high; leave minimum, maximum out")
            return self
        if self.median is None or not self.low <= self.median <= self.high:
            raise ValueError(f"median = {self.median}: must lie between low and high")
        if self.distribution == "lognormal" and self.low <= 0.0:
            raise ValueError(f"low = {self.low}: a lognormal needs low > 0")
        least, most = self._cut()
        if not least < most:
            raise ValueError("nothing is left between minimum and maximum")
        return self

    def quantile(self, share: float) -> float:
        """Value below which `share` (0 to 1, ends excluded) of the prior lies.

        A normal or lognormal has its own width on each side of the median, so that median, low
        and high are those of the table: x = m + z s, or m exp(z s), z the normal quantile.
        """
        if self.distribution == "uniform":
            low, _, high = self._numbers()
            return low + share * (high - low)
        least, most = self._cut()
        z = float(ndtri(least + share * (most - least)))
        low, middle, high = map(self._scale, self._numbers())
        width = (high - middle if z > 0 else middle - low) / _Z95
        return self._unscale(middle + z * width)

    def of_agent(self, row: tuple[float, float, float]) -> "Prior":
        """Take median, low and high from the agent's `row`."""
        median, low, high = row
        return self.model_copy(
            update={"distribution": "lognormal", "median": median, "low": low, "high": high}
        )

    def _numbers(self) -> tuple[float, float, float]:
        """Low, median and high; of a uniform prior the median is the middle."""
        if self.low is None or self.high is None:
            raise CastsimError(f"prior {self.field}: of_agent must name the agent first")
        middle = (self.low + self.high) / 2 if self.median is None else self.median
        return self.low, middle, self.high

    def _scale(self, value: float) -> float:
        return math.log(value) if self.distribution == "lognormal" else value

    def _unscale(self, value: float) -> float:
        return math.exp(value) if self.distribution == "lognormal" else value

    def _cut(self) -> tuple[float, float]:
        """Shares of the uncut distribution below minimum and below maximum."""
        return (
            0.0 if self.minimum is None else self._share_below(self.minimum),
            1.0 if self.maximum is None else self._share_below(self.maximum),
        )

    def _share_below(self, value: float) -> float:
        if self.distribution == "lognormal" and value <= 0.0:
            return 0.0
        low, middle, high = map(self._scale, self._numbers())
        away = self._scale(value) - middle
        width = (high - middle if away > 0 else middle - low) / _Z95
        if width == 0.0:
            return float(away >= 0.0)
        return float(ndtr(away / width))


@cache
def bundled_priors() -> tuple[Prior, ...]:
    """Read ``castsim/data/priors.toml``; the place of a prior is its random coordinate."""
    text = (resources.files("castsim") / "data" / "priors.toml").read_text(encoding="utf-8")
    return tuple(Prior.model_validate(entry) for entry in tomllib.loads(text)["prior"])


def priors_with(changes: Path | None) -> tuple[Prior, ...]:
    """Return the bundled priors, those that the file `changes` names replaced in their places.

    What a prior does to its field stays: its unit, and whether it multiplies what is there.

    Raises
    ------
    ScenarioError
        If the file cannot be read, names an unknown prior or one twice, or holds a faulty one.
    """
    if changes is None:
        return bundled_priors()
    bundled = {prior.field: prior for prior in bundled_priors()}
    priors, given = dict(bundled), set()
    for entry in _entries(changes):
        field = entry.get("field")
        if not isinstance(field, str) or field not in priors:
            raise ScenarioError(
                f"{changes}: {field!r}: unknown prior"
                f"{did_you_mean(str(field), tuple(priors)) or ';'} allowed: {', '.join(priors)}"
            )
        if field in given:
            raise ScenarioError(f"{changes}: prior {field}: given twice")
        given.add(field)
        try:
            priors[field] = Prior.model_validate({"group": priors[field].group, **entry})
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in fault["loc"])
            raise ScenarioError(
                f"{changes}: prior {field}: {key + ': ' if key else ''}"
                f"{fault['msg'].removeprefix('Value error, ')}"
            ) from error
        if unlike := _unlike(priors[field], bundled[field]):
            raise ScenarioError(f"{changes}: prior {field}: {unlike}")
    return tuple(priors.values())


def _unlike(own: Prior, bundled: Prior) -> str:
    """Say what of a user's prior would not be heeded; nothing if all is."""
    if own.unit != bundled.unit:
        return f"unit = {own.unit!r}: must be {bundled.unit!r}, as in the scenario"
    if own.relative != bundled.relative:
        what = "multiplies" if bundled.relative else "takes the place of"
        must = str(bundled.relative).lower()
        return f"relative: must be {must}, since it {what} what the scenario says"
    if own.distribution == "agent" and bundled.distribution != "agent":
        return "distribution = 'agent': the agents' tables have no such row; must be another"
    return ""


def _entries(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file; it must hold [[prior]] entries") from error
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ScenarioError(f"{path}: cannot be read as TOML: {error}") from error
    entries: list[dict[str, Any]] = content.get("prior", [])
    if set(content) - {"prior"} or not _are_tables(entries):
        raise ScenarioError(f"{path}: must hold [[prior]] entries and nothing else")
    return entries


def _are_tables(entries: Any) -> bool:
    return isinstance(entries, list) and bool(entries) and all(isinstance(e, dict) for e in entries)
