"""What `make bench` makes of the record of pytest-benchmark: ratios, verdicts, the page."""

from typing import Any

import pytest

from benchmarks.report import BEGIN, END, duration, tables, trimmed, with_tables

WORK = "a lattice"


def entry(who: str, median: float, **told: Any) -> dict[str, Any]:
    return {
        "extra_info": {"work": WORK, "who": who, **told},
        "stats": {"median": median, "min": 0.9 * median, "rounds": 7, "data": [median] * 7},
        "options": {"timer": "process_time"},
    }


def record(*benchmarks: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "machine_info": {
            "cpu": {"brand_raw": "A processor"},
            "system": "Linux",
            "machine": "x86_64",
            "node": "somebody's",
        },
        "commit_info": {"id": "abc"},
        "datetime": "2026-01-02T03:04:05",
        "load": [0.0, 0.0],
        "absent": [],
        "values": [],
        "benchmarks": list(benchmarks),
    } | given


def rows(raw: dict[str, Any]) -> list[list[str]]:
    lines = tables(trimmed(raw)).splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]


def test_peers_are_divided_by_castsim() -> None:
    raw = record(entry("castsim", 0.002, items=1000), entry("OpenPNM 3.5.0", 0.05, items=1000))
    _, _, own, peer = rows(raw)
    assert own == [WORK, "castsim", "2 ms", "2", "", "", ""]
    assert peer == ["", "OpenPNM 3.5.0", "50 ms", "50", "25 ×", "", ""]


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"at_least": {"OpenPNM": 25}}, "yes"),
        ({"at_least": {"OpenPNM": 26}}, "**no**"),
        ({"at_most_s": 0.0019}, "**no**"),
        ({"at_most_s": 0.002}, "yes"),
        ({"at_most_s": 0.002, "at_least": {"OpenPNM": 26}}, "**no**"),
        ({"at_least": {"PoreSpy": 2}}, ""),
        ({"at_least": {"PoreSpy": 2}, "at_most_s": 0.002}, ""),
        ({"at_least": {"PoreSpy": 2}, "at_most_s": 0.001}, "**no**"),
        ({}, ""),
    ],
)
def test_a_bar_is_reached_or_not_or_not_known(bounds: dict[str, Any], verdict: str) -> None:
    raw = record(entry("castsim", 0.002, bar="fast", **bounds), entry("OpenPNM 3.5.0", 0.05))
    assert rows(raw)[2][-2:] == ["fast", verdict]


def test_a_round_of_many_parts_tells_one_of_them() -> None:
    (own,) = rows(record(entry("castsim", 0.5, parts=1000, at_most_s=0.0005)))[2:]
    assert own[2] == "500 µs"
    assert own[-1] == "yes"


def test_who_is_absent_is_shown() -> None:
    gone = [{"work": WORK, "who": "OpenPNM", "package": "openpnm"}]
    assert rows(record(entry("castsim", 1.0), absent=gone))[-1][:3] == ["", "OpenPNM", "absent"]
    assert rows(record(absent=gone))[-1][:3] == [WORK, "OpenPNM", "absent"]


@pytest.mark.parametrize(("value", "verdict"), [(399.0, "yes"), (401.0, "**no**")])
def test_values_have_bounds_too(value: float, verdict: str) -> None:
    told = {"work": "run", "what": "memory", "value": value, "unit": "MB", "at_most": 400.0}
    assert rows(record(values=[told]))[-1] == ["run: memory", f"{value:g} MB", "≤ 400 MB", verdict]


def test_raw_rounds_and_the_name_of_the_machine_stay_out() -> None:
    text = str(trimmed(record(entry("castsim", 1.0))))
    assert "data" not in text
    assert "somebody" not in text


def test_a_busy_machine_is_told() -> None:
    assert "busy" not in tables(trimmed(record()))
    assert "busy" in tables(trimmed(record(load=[0.0, 1000.0])))


def test_the_page_keeps_all_but_what_is_between_the_marks() -> None:
    page = f"head\n{BEGIN}\nold\n{END}\ntail\n"
    once = with_tables(page, "new")
    assert once == f"head\n{BEGIN}\n\nnew\n{END}\ntail\n"
    assert with_tables(once, "new") == once
    with pytest.raises(SystemExit):
        with_tables("no marks", "new")


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (1e-3, "1 ms"), (4.2e-7, "0.42 µs")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
