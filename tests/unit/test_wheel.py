"""The wheel carries everything that a run reads."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("castsim", "geometry", "scenarios")


def test_wheel_holds_code_data_and_scenarios(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".csv", ".toml", ".json", ".html", ".typed"}
    }
    assert any(name.endswith(".csv") for name in wanted)
    assert any(name.startswith("scenarios/") and name.endswith(".toml") for name in wanted)
    assert wanted <= inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/"))]


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "castsim/__init__.py"
