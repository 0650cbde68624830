"""What the README promises exists: targets of make, files, commands and the Python example."""

import ast
import re
from pathlib import Path

import pytest

import castsim
from castsim.scenario_file import bundled_names

OTHERS = ("cubes-oblique", "cubes-axial", "cubes-unsubtracted", "cubes-roadmap", "venogram")
KINDS = ("", "-fluoro")
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        target for page in PAGES for target in re.findall(r"`?make ([a-z-]+)", page.read_text())
    }
    assert {"run", "test"} <= named & targets
    block = re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)
    assert block == ["run", "test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_section_linked_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:castsim|geometry|scenarios|docs)/[\w./-]+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_gallery_shows_every_bundled_scenario_in_small_pictures() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    assert re.findall(r"^`castsim run ([\w-]+)`", text, re.MULTILINE) == list(bundled_names())
    shown = re.findall(r"\]\((gallery/[^)]+)\)", text)
    scenarios = [f"gallery/{name}{end}.jpg" for name in bundled_names() for end in KINDS]
    assert shown == scenarios + [f"gallery/{name}.jpg" for name in OTHERS]
    assert sorted(shown) == sorted(
        f"gallery/{path.name}" for path in (ROOT / "docs" / "gallery").iterdir()
    )
    sizes = {name: (ROOT / "docs" / name).stat().st_size for name in shown}
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_examples_name_what_exists(block: str) -> None:
    tree = ast.parse("import castsim\n" + block.removeprefix("import castsim\n"))
    assert len(tree.body) <= 4
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "castsim"
    }
    assert used
    assert [name for name in used if not callable(getattr(castsim, name))] == []


def test_the_disclaimer_is_there() -> None:
    assert "research and education" in README.lower()
    assert "not a medical device" in README.lower()
