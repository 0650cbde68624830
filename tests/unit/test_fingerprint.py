"""Fingerprint: moves with every source and table, and with nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from castsim.ensembles.fingerprint import digest, fingerprint, state

FILES = {"__init__.py": "", "inner/law.py": "x = 1\n", "data/numbers.csv": "a,b\n1,2\n"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path / "package"


def of(package: Path) -> str:
    return digest({"package": package})


@pytest.mark.parametrize("name", FILES)
def test_a_change_anywhere_is_seen(name: str, package: Path) -> None:
    before = of(package)
    path = package / name
    path.write_text(FILES[name] + "# 2\n", "utf-8")
    assert of(package) != before
    path.write_text(FILES[name], "utf-8")
    assert of(package) == before
    path.rename(path.with_name(f"other{path.suffix}"))
    assert of(package) != before


def test_a_new_table_is_seen_and_what_is_no_source_is_not(package: Path) -> None:
    before = of(package)
    for name in ("page.html", "__pycache__/law.cpython-311.pyc", ".#law.py", ".cache/law.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("other", "utf-8")
    (package / ".#gone.py").symlink_to("nobody@nowhere")
    assert of(package) == before
    (package / "data" / "more.toml").write_text("", "utf-8")
    assert of(package) != before


def test_content_does_not_pass_for_a_name(package: Path) -> None:
    """A line moved from the end of one file to the beginning of the next is a change."""
    (package / "a.py").write_text("x = 1\ny = 2\n", "utf-8")
    (package / "b.py").write_text("", "utf-8")
    before = of(package)
    (package / "a.py").write_text("x = 1\n", "utf-8")
    (package / "b.py").write_text("y = 2\n", "utf-8")
    assert of(package) != before


def test_every_process_reads_the_same() -> None:
    code = "from castsim.ensembles.fingerprint import state; print(state())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == state()
    assert fingerprint()[:12] in state()
