"""What every benchmark shares: who is measured at what, absent peers, numbers that are no times.

``benchmarks/README.md`` says how to write one.
"""

import os
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

ROUNDS = 7
"""Least number of rounds that a median is taken of."""

_ABSENT = pytest.StashKey[list[dict[str, str]]]()
_VALUES = pytest.StashKey[list[dict[str, Any]]]()
_LOAD = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "measures(work, who, *, package, bar, at_least, at_most_s, items): "
        "what a benchmark measures; see benchmarks/README.md",
    )
    config.stash[_ABSENT] = []
    config.stash[_VALUES] = []
    config.stash[_LOAD] = os.getloadavg()[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time with the processor's clock unless a benchmark names another.

    One thread's own seconds are those of the wall on a quiet machine, and on a busy one they do
    not count the others' work. A benchmark that starts processes names ``time.perf_counter``.
    """
    for item in items:
        own = item.get_closest_marker("benchmark")
        given = {"timer": time.process_time} | (dict(own.kwargs) if own else {})
        item.add_marker(pytest.mark.benchmark(**given), append=False)


@pytest.fixture(autouse=True)
def _described(request: pytest.FixtureRequest) -> Iterator[None]:
    """Copy the marker `measures` to the benchmark's record; skip where the peer is absent."""
    mark = request.node.get_closest_marker("measures")
    if mark is None:
        yield
        return
    work, who = mark.args
    told = dict(mark.kwargs)
    package = told.pop("package", None)
    if package is not None:
        try:
            who = f"{who} {version(package)}"
        except PackageNotFoundError:
            request.config.stash[_ABSENT].append({"work": work, "who": who, "package": package})
            pytest.skip(f"{package} is not installed: `make peers`")
    if "benchmark" in request.fixturenames:
        benchmark = request.getfixturevalue("benchmark")
        benchmark.extra_info.update({"work": work, "who": who, **told})
    yield


@pytest.fixture
def record_value(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Gives the report a number that is no time: ``record_value(work, what, value, unit)``."""

    def record(
        work: str, what: str, value: float, unit: str = "", *, at_most: float | None = None
    ) -> None:
        row = {"work": work, "what": what, "value": float(value), "unit": unit, "at_most": at_most}
        request.config.stash[_VALUES].append(row)

    return record


def pytest_benchmark_update_json(
    config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]
) -> None:
    """Put what the report needs beside pytest-benchmark's own record."""
    output_json["absent"] = config.stash[_ABSENT]
    output_json["values"] = config.stash[_VALUES]
    output_json["load"] = [config.stash[_LOAD], os.getloadavg()[0]]
