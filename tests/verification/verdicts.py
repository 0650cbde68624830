"""What a verification test found beside what it ought to find: asserted and written down at once.

A test takes the fixture `verdict` and calls it; every call asserts, and leaves one row for the
page that `make verify` writes (``docs/verification.md``). So the page shows only what was asserted.

>>> rows: list[Row] = []
>>> verdict = Verdict("test_x", rows)
>>> verdict("Tube", "pressure, Pa", [2.0, 4.0], [2.0, 5.0], source="Poiseuille", rtol=0.3)
>>> rows[0].error, rows[0].bound, rows[0].cases
(0.2, 0.3, 2)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Kind = Literal["relative", "absolute", "differing", "at least", "at most"]


@dataclass(frozen=True)
class Curve:
    """Points and line of one plot.

    Attributes
    ----------
    name : of the file, unique
    x, computed, reference : (k,) in the units that the labels say
    """

    name: str
    x: tuple[float, ...]
    computed: tuple[float, ...]
    reference: tuple[float, ...]
    x_label: str
    y_label: str
    reference_label: str
    log: bool = False


@dataclass(frozen=True)
class Table:
    """Numbers that belong together, shown below the rows of their subject.

    They are what a test computed on its way to what it asserts; each line holds text.
    """

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Row:
    """One line of the page.

    Attributes
    ----------
    subject : heading on the page
    quantity : what was compared, and its unit
    computed, reference : where they differ most
    source : of the reference: equation, book, peer with its version
    error : by `kind`: |c/r - 1|, |c - r|, or how many entries differ
    bound : largest error (smallest or largest value) that passes
    cases : how many values were compared
    """

    test: str
    subject: str
    quantity: str
    computed: float | str
    reference: float | str
    source: str
    kind: Kind
    error: float
    bound: float
    cases: int = 1
    curve: Curve | None = None
    table: Table | None = None

    @property
    def passed(self) -> bool:
        """NaN never passes."""
        return self.error >= self.bound if self.kind == "at least" else self.error <= self.bound


class Verdict:
    """Compares, writes down, asserts."""

    def __init__(self, test: str, rows: list[Row]) -> None:
        self._test = test
        self._rows = rows

    def __call__(
        self,
        subject: str,
        quantity: str,
        computed: ArrayLike,
        reference: ArrayLike,
        *,
        source: str,
        rtol: float | None = None,
        atol: float | None = None,
        curve: Curve | None = None,
        table: Table | None = None,
    ) -> None:
        """Each of `computed` within `rtol` (or `atol`, one of the two) of its `reference`."""
        assert (rtol is None) != (atol is None), "give rtol or atol"
        got, exact = np.broadcast_arrays(*(np.asarray(v, float) for v in (computed, reference)))
        got, exact = got.ravel(), exact.ravel()
        assert got.size > 0, "nothing to compare"
        errors = np.abs(got - exact)
        if rtol is not None:
            assert (exact != 0).all(), "no relative error of zero"
            errors = errors / np.abs(exact)
        worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
        self._record(
            subject,
            quantity,
            float(got[worst]),
            float(exact[worst]),
            source=source,
            kind="absolute" if rtol is None else "relative",
            error=float(errors[worst]),
            bound=float(atol if rtol is None else rtol),  # type: ignore[arg-type]
            cases=got.size,
            curve=curve,
            table=table,
        )

    def curve(
        self,
        subject: str,
        quantity: str,
        x: ArrayLike,
        computed: ArrayLike,
        reference: ArrayLike,
        *,
        name: str | None,
        x_label: str,
        source: str,
        rtol: float | None = None,
        atol: float | None = None,
        log: bool = False,
    ) -> None:
        """As the plain call, and (if named) a plot over `x`; `quantity` labels its upright axis."""
        points = (tuple(np.asarray(v, float).ravel().tolist()) for v in (x, computed, reference))
        plot = Curve(name, *points, x_label, quantity, "exact", log) if name else None
        self(
            subject,
            quantity,
            computed,
            reference,
            source=source,
            rtol=rtol,
            atol=atol,
            curve=plot,
        )

    def order(
        self,
        subject: str,
        quantity: str,
        size: ArrayLike,
        error: ArrayLike,
        *,
        at_least: float,
        source: str,
        name: str | None = None,
        x_label: str = "size",
        y_label: str = "error",
        overall: bool = False,
        table: Table | None = None,
    ) -> None:
        """The smallest slope of ln `error` over ln `size` between neighbours; a plot if named.

        `overall` takes one slope, by least squares, where thresholds make the errors scatter.
        """
        size, error = np.asarray(size, float), np.asarray(error, float)
        slopes = np.diff(np.log(error)) / np.diff(np.log(size))
        if overall:
            slopes = np.polyfit(np.log(size), np.log(error), 1)[:1]
        plot = None
        if name is not None:
            line = error[0] * (size / size[0]) ** round(at_least)
            points = (tuple(v.tolist()) for v in (size, error, line))
            label = f"order {round(at_least)}"
            plot = Curve(name, *points, x_label, y_label, label, log=True)
        what = f"order of {quantity}"
        self.at_least(subject, what, slopes, at_least, source=source, curve=plot, table=table)

    def at_least(
        self,
        subject: str,
        quantity: str,
        computed: ArrayLike,
        bound: float,
        *,
        source: str,
        curve: Curve | None = None,
        table: Table | None = None,
    ) -> None:
        """None of `computed` below `bound`."""
        values = np.asarray(computed, float).ravel()
        least = float(values.min())
        text = f"≥ {bound:g}"
        self._record(
            subject,
            quantity,
            least,
            text,
            source=source,
            kind="at least",
            error=least,
            bound=bound,
            cases=values.size,
            curve=curve,
            table=table,
        )

    def at_most(
        self, subject: str, quantity: str, computed: ArrayLike, bound: float, *, source: str
    ) -> None:
        """None of `computed` above `bound`."""
        values = np.asarray(computed, float).ravel()
        most = float(values.max())
        text = f"≤ {bound:g}"
        self._record(
            subject,
            quantity,
            most,
            text,
            source=source,
            kind="at most",
            error=most,
            bound=bound,
            cases=values.size,
        )

    def same(
        self,
        subject: str,
        quantity: str,
        computed: Sequence[Any] | np.ndarray,
        reference: Sequence[Any] | np.ndarray,
        *,
        source: str,
    ) -> None:
        """Both sequences equal, entry by entry (orders of filling, flags, names)."""
        got, exact = list(computed), list(reference)
        assert exact, "nothing to compare"
        longer = max(len(got), len(exact))
        differ = sum(a != b for a, b in zip(got, exact, strict=False)) + longer
        differ -= min(len(got), len(exact))
        self._record(
            subject,
            quantity,
            f"{longer - differ} equal",
            f"{len(exact)} entries",
            source=source,
            kind="differing",
            error=float(differ),
            bound=0.0,
            cases=len(exact),
        )

    def _record(
        self, subject: str, quantity: str, computed: Any, reference: Any, **rest: Any
    ) -> None:
        row = Row(self._test, subject, quantity, computed, reference, **rest)
        self._rows.append(row)
        assert row.passed, (
            f"{subject}: {quantity}: computed {computed}, expected {reference}; "
            f"{row.kind} {row.error:.3g}, bound {row.bound:.3g}"
        )


class Collector:
    """Pytest plugin that keeps the rows and what became of each test."""

    NAME = "castsim-verdicts"

    def __init__(self) -> None:
        self.__name__ = self.NAME  # pytest registers a plugin object by it
        self.rows: list[Row] = []
        self.outcomes: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test counts as failed when its set-up, its body or its end fails."""
        expected = hasattr(report, "wasxfail")
        reason = report.wasxfail if expected else ""
        if report.skipped and not expected:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if report.when == "call" or report.outcome != "passed":
            outcome = "expected to fail" if expected and report.skipped else report.outcome
            self.outcomes[report.nodeid] = (outcome, reason.removeprefix("Skipped: "))

    def pytest_collectreport(self, report: Any) -> None:
        """A module that is skipped or cannot be read as a whole shows as such."""
        if report.outcome != "passed":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "see the log"
            self.outcomes[report.nodeid] = (report.outcome, reason.removeprefix("Skipped: "))
