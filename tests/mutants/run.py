"""Seeded faults, one at a time: does some test go red?

``python -m tests.mutants.run`` (or ``make mutants``) copies the tree, checks that every fault of
:mod:`tests.mutants.faults` fits it exactly once and that the tests are green without any, then
applies one after the other and runs the tests named for it. It writes ``results.json`` beside
itself, puts its table into ``docs/verification.md``, and exits 1 when a fault survives. With
``--only`` the rows of the other faults stay as they were.
Where they can, the kernels run uncompiled, as the Python that they are: on small meshes that is
quicker than to compile them for each fault.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS
from tests.verification.page import renew_mutants

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "casts", "build", "dist", "*.nbi", "*.nbc", "docs"
)
SECONDS = 400
"""For one fault: many times what its tests take; longer counts as caught (it hangs)."""


def main() -> int:
    """Run the faults that were asked for, and say whether all were caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="faults whose names contain this")
    parser.add_argument("--check", action="store_true", help="only see that every fault fits")
    given = parser.parse_args()
    faults = [f for f in FAULTS if not given.only or any(word in f.name for word in given.only)]
    misfits = [line for fault in faults for line in misfit(fault, ROOT)]
    if misfits or not faults:
        say("\n".join(misfits) or "no fault has such a name")
        return 2
    if given.check:
        say(f"{len(faults)} faults fit")
        return 0
    command = ["git", "describe", "--always", "--dirty"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    commit = said.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "castsim"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        found = run_all(faults, tree)
    if found is None:
        return 2
    record(found, commit)
    alive = [one["name"] for one in found if not one["red"]]
    say(
        f"{len(found) - len(alive)} of {len(found)} caught"
        + "".join(f"\nALIVE: {a}" for a in alive)
    )
    return int(bool(alive))


def record(found: Sequence[dict[str, object]], commit: str) -> None:
    """Put what was found at `commit` into the table, in the place of what was known before."""
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["mutants"] if RESULTS.exists() else []
    rows = {row["name"]: row for row in known}
    rows |= {row["name"]: {**row, "commit": commit} for row in found}
    mutants = [rows[fault.name] for fault in FAULTS if fault.name in rows]
    RESULTS.write_text(json.dumps({"mutants": mutants}, indent=1) + "\n", encoding="utf-8")
    renew_mutants()


def say(text: str) -> None:
    """To the error stream, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def misfit(fault: Fault, tree: Path) -> list[str]:
    """Why a fault does not fit the tree: each text must stand there once, each test must exist."""
    wrong = []
    for edit in fault.edits:
        count = (tree / edit.file).read_text("utf-8").count(edit.old)
        if count != 1:
            wrong.append(f"{fault.name}: {edit.file} has {count} times: {edit.old!r}")
    for test in fault.tests:
        file, *names = test.split("::")
        text = (tree / file).read_text("utf-8") if (tree / file).exists() else ""
        if not text or (names and f"def {names[0].split('[')[0]}(" not in text):
            wrong.append(f"{fault.name}: no test {test}")
    return wrong


def run_all(faults: Sequence[Fault], tree: Path) -> list[dict[str, object]] | None:
    """What each fault turned red; None when the tests fail without any."""
    say(f"{len(faults)} faults; first the tests without any")
    for compiled in sorted({fault.compiled for fault in faults}):
        every = sorted({test for f in faults for test in f.tests if f.compiled == compiled})
        red, seconds = tests(tree, every, 2 * SECONDS, compiled=compiled)
        if red:
            say("these fail without a fault:\n" + "\n".join(red))
            return None
        say(f"green, {seconds:.0f} s")
    found: list[dict[str, object]] = []
    for fault in faults:
        kept = {edit.file: (tree / edit.file).read_text("utf-8") for edit in fault.edits}
        for edit in fault.edits:
            path = tree / edit.file
            path.write_text(path.read_text("utf-8").replace(edit.old, edit.new), "utf-8")
        try:
            red, seconds = tests(tree, fault.tests, SECONDS, compiled=fault.compiled)
        finally:
            for file, text in kept.items():
                (tree / file).write_text(text, "utf-8")
        say(f"{'caught' if red else 'ALIVE '} {fault.name} ({seconds:.0f} s, {len(red)} red)")
        files = ", ".join(dict.fromkeys(edit.file for edit in fault.edits))
        found.append({"name": fault.name, "file": files, "red": red})
    return found


def tests(
    tree: Path, names: Sequence[str], seconds: float, *, compiled: bool
) -> tuple[list[str], float]:
    """Tests of the copy that fail, and how long they took.

    Raises
    ------
    RuntimeError
        When tests could not be collected or run, or were not those of the copy.
    """
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    # two edits within a second look alike to Python's own cache of byte code
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"NUMBA_DISABLE_JIT": str(int(not compiled))}
    program = (
        "import sys, pytest, castsim, geometry; "
        f"assert all(m.__file__.startswith({str(tree)!r}) for m in (castsim, geometry)); "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    options = ["-q", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *options, *names],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"none ends within {seconds} s"], seconds
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run:\n{done.stdout}{done.stderr}")
    red = [
        line.split(" ", 1)[1].split(" - ")[0]
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED ", "ERROR "))
    ]
    if bool(red) != bool(done.returncode):
        raise RuntimeError(f"pytest's summary was not understood:\n{done.stdout}")
    return red, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
