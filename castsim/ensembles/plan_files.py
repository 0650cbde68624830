"""Writes what a plan says into its folder: each file whole or not at all, ``plan.json`` last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from castsim.ensembles.compare_report import compare_report
from castsim.ensembles.comparing import Comparison
from castsim.ensembles.plan_report import plan_report
from castsim.ensembles.planning import Plan
from castsim.ensembles.store import Store
from castsim.errors import ResultError
from castsim.results import report_text

DOSE_RESPONSE_IN = (11.0, 9.0)
COMPARISON_IN = (12.0, 7.6)


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    folder : where
    report : content of the JSON file
    files : names, the JSON file first
    """

    folder: Path
    report: Mapping[str, Any]
    files: tuple[str, ...]


def write_plan(plan: Plan, *, render: bool = True) -> Written:
    """Write ``plan.json`` and, if `render`, ``plan.html`` and ``dose_response.png``, ``.svg``.

    They go into the folder of the plan's draws. Without `render` older pages and pictures, which
    might tell of fewer draws, are taken away.

    Raises
    ------
    ResultError
        If a file cannot be written; what was there before stays.
    """
    report = plan_report(plan)
    pictures = {
        "plan.html": _page,
        "dose_response.png": _png,
        "dose_response.svg": _svg,
    }
    return write_files(plan.store, "plan.json", report, pictures, render=render)


def write_comparison(comparison: Comparison, *, render: bool = True) -> Written:
    """Write ``compare.json`` and, if `render`, ``compare.html`` and ``comparison.png``, ``.svg``.

    Where and errors as for :func:`write_plan`.
    """
    store = next(iter(comparison.plans.values())).store
    pictures = {
        "compare.html": _compare_page,
        "comparison.png": _compare_png,
        "comparison.svg": _compare_svg,
    }
    report = compare_report(comparison)
    return write_files(store, "compare.json", report, pictures, render=render)


def write_files(
    store: Store,
    name: str,
    report: Mapping[str, Any],
    pictures: Mapping[str, Callable[[Mapping[str, Any]], bytes]],
    *,
    render: bool,
) -> Written:
    """Write a report as JSON and, if `render`, what is drawn from it."""
    drawn = {picture: draw(report) for picture, draw in pictures.items()} if render else {}
    for picture in pictures:
        if picture in drawn:
            store.write(store.folder / picture, drawn[picture])
        else:
            _remove(store.folder / picture)
    store.write(store.folder / name, report_text(report).encode())
    return Written(store.folder, report, (name, *drawn))


def _page(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.plan_page import plan_page

    return plan_page(report).encode()


def _png(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.plan_plots import dose_response
    from castsim.pages.figures import png

    return png(partial(dose_response, report=report), *DOSE_RESPONSE_IN)


def _svg(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.plan_plots import dose_response
    from castsim.pages.figures import svg

    return svg(partial(dose_response, report=report), *DOSE_RESPONSE_IN)


def _compare_page(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.compare_page import compare_page

    return compare_page(report).encode()


def _compare_png(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.compare_plots import side_by_side
    from castsim.pages.figures import png

    return png(partial(side_by_side, report=report), *COMPARISON_IN)


def _compare_svg(report: Mapping[str, Any]) -> bytes:
    from castsim.ensembles.compare_plots import side_by_side
    from castsim.pages.figures import svg

    return svg(partial(side_by_side, report=report), *COMPARISON_IN)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ResultError(f"{path}: cannot be removed: {error.strerror or error}") from error
