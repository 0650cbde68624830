"""Trim what pytest-benchmark measured to ``benchmarks/results.json``, and write it into the docs.

Run by ``make bench``: ``python -m benchmarks.report RAW.json``.
"""

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"
PAGE = FOLDER.parent / "docs" / "performance.md"
BEGIN = "<!-- measured: written by `make bench`, not by hand -->"
END = "<!-- end of measured -->"

LIBRARIES = ("numpy", "scipy", "numba")
US_PER_S = 1e6
BUSY = 0.5
"""Load average a core from which times are not those of a quiet machine."""

Row = dict[str, Any]


def main(raw: Path) -> None:
    """Trim, write, and say in one line a work what was reached."""
    results = trimmed(json.loads(raw.read_text("utf-8")))
    write_whole(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    write_whole(PAGE, with_tables(PAGE.read_text("utf-8"), tables(results)))
    print(tables(results))


def trimmed(raw: Row) -> Row:
    """Machine, versions, medians, ratios and verdicts of one raw record of pytest-benchmark."""
    info = raw["machine_info"]
    times = [_time(entry) for entry in raw["benchmarks"] if "work" in entry["extra_info"]]
    return {
        "machine": {
            "cpu": info["cpu"].get("brand_raw") or info["processor"],
            "cores": os.cpu_count(),
            "system": f"{info['system']} {info['machine']}",
            "load_average": [round(load, 1) for load in raw["load"]],
        },
        "versions": {"python": platform.python_version(), "castsim": version("castsim")}
        | {name: version(name) for name in LIBRARIES},
        "commit": raw["commit_info"].get("id"),
        "date": raw["datetime"][:10],
        "times": [_with_ratio(row, times) for row in times],
        "values": [
            row | {"reached": _below(row["value"], row["at_most"])} for row in raw["values"]
        ],
        "absent": raw["absent"],
    }


def _time(entry: Row) -> Row:
    told, stats = entry["extra_info"], entry["stats"]
    parts = told.get("parts", 1)
    return told | {
        "median_s": stats["median"] / parts,
        "least_s": stats["min"] / parts,
        "rounds": stats["rounds"],
        "clock": "processor" if "process_time" in entry["options"]["timer"] else "wall",
    }


def _with_ratio(row: Row, times: Iterable[Row]) -> Row:
    """Add the ratio to castsim's median in the same work; on castsim's own row, the verdicts."""
    same = [other for other in times if other["work"] == row["work"]]
    own = next((other for other in same if _name(other) == "castsim"), None)
    if own is None:
        return row
    if row is not own:
        return row | {"ratio": row["median_s"] / own["median_s"]}
    ratios = {_name(other): other["median_s"] / own["median_s"] for other in same}
    verdicts = [
        ratios[peer] >= least if peer in ratios else None
        for peer, least in row.get("at_least", {}).items()
    ]
    if "at_most_s" in row:
        verdicts.append(row["median_s"] <= row["at_most_s"])
    return row | {"reached": _all(verdicts)}


def _all(verdicts: list[bool | None]) -> bool | None:
    """No if one is no; not known if one is not, or there is none."""
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _name(row: Row) -> str:
    """Name without version: ``OpenPNM`` of ``OpenPNM 3.5.0``."""
    return str(row["who"]).rpartition(" ")[0] if row["who"][-1:].isdigit() else str(row["who"])


def _below(value: float, bound: float | None) -> bool | None:
    return None if bound is None else value <= bound


def tables(results: Row) -> str:
    """Return the text between the markers."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Row) -> Iterator[str]:
    machine, versions = results["machine"], results["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    yield f"Measured on {results['date']}: {machine['cores']} cores of {machine['cpu']}, {named};"
    before, after = machine["load_average"]
    yield f"one thread; load average {before} before and {after} after."
    if max(before, after) > BUSY * machine["cores"]:
        yield "**The machine was busy with other work: take the ratios, not the times.**"
    yield ""
    yield "| work | who | median | µs a cell | castsim is faster by | bar | reached |"
    yield "|---|---|---:|---:|---:|---|---|"
    for work in dict.fromkeys(row["work"] for row in (*results["times"], *results["absent"])):
        shown = work
        for row in (row for row in results["times"] if row["work"] == work):
            yield _row(row, shown)
            shown = ""
        for row in (row for row in results["absent"] if row["work"] == work):
            yield f"| {shown} | {row['who']} | absent | | | | |"
            shown = ""
    if results["values"]:
        yield ""
        yield "| what | measured | bar | reached |"
        yield "|---|---:|---|---|"
        for row in results["values"]:
            bar = "" if row["at_most"] is None else f"≤ {row['at_most']:g} {row['unit']}".strip()
            number = f"{row['value']:.3g} {row['unit']}".strip()
            yield (
                f"| {row['work']}: {row['what']} | {number} | {bar} | {_verdict(row['reached'])} |"
            )


def _row(row: Row, work: str) -> str:
    each = f"{row['median_s'] / row['items'] * US_PER_S:.3g}" if row.get("items") else ""
    ratio = f"{row['ratio']:.3g} ×" if "ratio" in row else ""
    cells = (
        work,
        row["who"],
        duration(row["median_s"]),
        each,
        ratio,
        row.get("bar", ""),
        _verdict(row.get("reached")),
    )
    return "| " + " | ".join(cells) + " |"


def _verdict(reached: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[reached]


def duration(seconds: float) -> str:
    """Three digits in the unit that reads best.

    >>> duration(0.00123), duration(2.5)
    ('1.23 ms', '2.5 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", US_PER_S)):
        if seconds * factor >= 1.0 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def with_tables(page: str, text: str) -> str:
    """Put `text` between the markers of `page`."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE.name}: the lines {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
