"""Run the verification tests, slow ones too, and write what they asserted as a page.

``python -m tests.verification.page`` (or ``make verify``) writes ``docs/verification.md`` with its
plots under ``docs/verification/``. It exits 1 when a test failed; the page then shows which.
"""

import argparse
import json
import platform
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from tests.verification.verdicts import Collector, Curve, Row

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "verification.md"
PLOTS = ROOT / "docs" / "verification"
MUTANTS = ROOT / "tests" / "mutants" / "results.json"
FAULTS_HEADING = "## Seeded faults"
PEERS = ("numpy", "scipy", "numba", "openpnm")

INTRODUCTION = """# Verification

What the model computes beside what is known exactly, or what an independent program finds.
Written by `make verify` from the tests under `tests/verification/`: every row was asserted by the
test named in it, and nothing else is shown. Where a row stands for several values, it shows the
worst one. Whether the model is *right* about patients is another question:
[validation](validation.md).
"""


def main() -> int:
    """Run, write, and say whether all passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, help="also write the rows as JSON to this file")
    given = parser.parse_args()
    collector = Collector()
    arguments = [str(ROOT / "tests" / "verification"), "-m", "slow or not slow", "-q"]
    code = pytest.main([*arguments, "--rootdir", str(ROOT)], plugins=[collector])
    if not collector.rows:
        sys.stderr.write("no test recorded a row: the page is left as it was\n")
        return 1
    if given.rows:
        rows = [asdict(row) for row in collector.rows]
        given.rows.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    draw([row.curve for row in collector.rows if row.curve])
    PAGE.write_text(page(collector), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return int(code)


def page(collector: Collector) -> str:
    """The whole page as Markdown."""
    subjects: dict[str, list[Row]] = {}
    for row in collector.rows:
        subjects.setdefault(row.subject, []).append(row)
    failed = sum(not row.passed for row in collector.rows)
    lines = [INTRODUCTION, setting(), ""]
    verdict = f"**{failed} of them fail.**" if failed else "All of them hold."
    lines += [f"{len(collector.rows)} comparisons. {verdict}", ""]
    for subject in sorted(subjects):
        lines += [f"## {subject}", "", *table(subjects[subject]), ""]
        plots = [
            f"![{row.quantity}](verification/{row.curve.name}.svg)"
            for row in subjects[subject]
            if row.curve
        ]
        lines += [" ".join(plots), ""] if plots else []
        for more in (row.table for row in subjects[subject] if row.table):
            lines += [f"{more.title}:", "", *markdown(more.header, more.lines), ""]
    lines += ["## Tests", "", *outcomes(collector.outcomes), "", *mutants()]
    return "\n".join(lines).rstrip() + "\n"


def setting() -> str:
    """What it ran with."""
    parts = [f"Python {platform.python_version()}"]
    for name in PEERS:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} not installed")
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    commit = found.stdout.strip()
    return f"Run at commit {commit or 'unknown'} with {', '.join(parts)}, {platform.machine()}."


def merged(rows: Iterable[Row]) -> Iterator[tuple[Row, int]]:
    """Rows of one quantity as its worst one, and how many values that stands for."""
    groups: dict[tuple[str, str, str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.quantity, row.source, row.kind, row.bound), []).append(row)
    for group in groups.values():
        sign = -1.0 if group[0].kind == "at least" else 1.0
        # failed ones first: an error may be NaN
        worst = max(group, key=lambda row: (not row.passed, sign * row.error))
        yield worst, sum(row.cases for row in group)


def table(rows: Iterable[Row]) -> list[str]:
    """The rows of one subject."""
    header = ["quantity", "computed", "exact or peer", "error", "bound", "values", "source", "test"]
    lines = []
    for row, count in merged(rows):
        if row.kind in ("at least", "at most"):
            error, bound = "", str(row.reference)
            reference = ""
        else:
            unit = {"relative": " rel.", "absolute": " abs.", "differing": " differ"}[row.kind]
            error, bound = f"{row.error:.2g}{unit}", f"{row.bound:g}"
            reference = number(row.reference)
        if not row.passed:
            error += " **fails**"
        test = row.test.split("/")[-1].split("[")[0].replace("::", " ")
        cells = (row.quantity, number(row.computed), reference, error, bound, str(count))
        lines.append((*cells, row.source, f"`{test}`"))
    return markdown(header, lines)


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A table; bars within cells are escaped."""
    rows = [header, ["---"] * len(header), *lines]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def number(value: float | str) -> str:
    """Six digits, or the words."""
    return value if isinstance(value, str) else f"{value:.6g}"


def outcomes(found: dict[str, tuple[str, str]]) -> list[str]:
    """How many tests of each file passed, and every one that did not."""
    files = sorted({name.split("::")[0] for name in found})
    kinds = ("passed", "failed", "skipped", "expected to fail")
    rows = []
    for file in files:
        counts = Counter(o for name, (o, _) in found.items() if name.split("::")[0] == file)
        rows.append((f"`{file}`", *(str(counts[kind]) for kind in kinds)))
    lines = markdown(("file", *kinds), rows)
    rest = [(name, o, why) for name, (o, why) in sorted(found.items()) if o != "passed"]
    if rest:
        lines += ["", "Not passed:", ""]
        lines += [f"- `{name}`: {outcome}{': ' if why else ''}{why}" for name, outcome, why in rest]
    return lines


def mutants() -> list[str]:
    """The table that `make mutants` left, if it did."""
    lines = [
        FAULTS_HEADING,
        "",
        "`make mutants` applies one fault at a time to a copy of the tree and runs the tests that "
        "are named for it.",
        "",
    ]
    if not MUTANTS.exists():
        return [*lines, "Not run yet."]
    found = json.loads(MUTANTS.read_text(encoding="utf-8"))
    caught = sum(bool(one["red"]) for one in found["mutants"])
    commits = dict.fromkeys(one["commit"] for one in found["mutants"])
    lines += [
        f"Run at commit {' and '.join(commits)}: {caught} of {len(found['mutants'])} faults are "
        "caught.",
        "",
    ]
    rows = []
    for one in found["mutants"]:
        names = (name.split("/")[-1].split("[")[0] for name in one["red"])
        red = [f"`{name.replace('::', ' ')}`" for name in dict.fromkeys(names)]
        more = f" and {len(red) - 3} more" if len(red) > 3 else ""
        caught_by = ", ".join(red[:3]) + more if red else "**none**"
        rows.append((one["name"], f"`{one['file']}`", caught_by))
    return [*lines, *markdown(("fault", "where", "tests that went red"), rows)]


def renew_mutants() -> None:
    """Put the present table of faults into the page as it stands: its last section."""
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(FAULTS_HEADING)
    PAGE.write_text(head + "\n".join(mutants()) + "\n", encoding="utf-8")


LABEL_WIDTH = 38
"""Letters that fit along the height of a plot."""


def draw(curves: list[Curve]) -> None:
    """One SVG for each curve; the same bytes for the same numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "castsim", "font.size": 9}):
        for curve in curves:
            figure = Figure(figsize=(4.6, 2.9), layout="constrained")
            axes = figure.subplots()
            x, computed, exact = zip(
                *sorted(zip(curve.x, curve.computed, curve.reference, strict=True)), strict=True
            )
            axes.plot(x, exact, "-", color="0.35", label=curve.reference_label)
            axes.plot(x, computed, "o", ms=4, mfc="none", color="C3", label="computed")
            if curve.log:
                axes.set(xscale="log", yscale="log")
                # less than a decade: ticks at the points, so that values can be read
                axes.set_xticks(x, [f"{value:g}" for value in x], minor=False)
                axes.set_yticks(computed, [f"{value:.2g}" for value in computed], minor=False)
                axes.xaxis.set_minor_formatter("")
                axes.yaxis.set_minor_formatter("")
            label = textwrap.fill(curve.y_label, LABEL_WIDTH)
            axes.set(xlabel=curve.x_label, ylabel=label)
            axes.legend(frameon=False)
            figure.savefig(PLOTS / f"{curve.name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
