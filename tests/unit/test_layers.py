"""Rules that a machine can hold: who imports whom, and what every file must have."""

import ast
import csv
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("castsim", "geometry", "scenarios")
MAX_LINES = 600

KERNEL_IMPORTS = {"numpy", "numba", "math", "heapq", "typing", "enum"}
GEOMETRY_IMPORTS = {"numpy", "scipy", "numba"} | set(sys.stdlib_module_names)

HEAVY = {
    "pyvista",
    "vtk",
    "vtkmodules",
    "rich",
    "typer",
    "trame",
    "trame_vtk",
    "dask",
    "manifold3d",
}
LEAVES = {
    "castsim.__main__": set(),
    # Leaf modules and the heavy packages that each imports itself (none: it imports a leaf).
    # No other module imports these, and nobody imports a leaf before it is needed.
    "castsim.cli": {"typer"},
    "castsim.command_options": {"typer"},
    "castsim.console": {"rich"},
    "castsim.fluoroscopy_commands": {"typer"},
    "castsim.light_scene": set(),
    "castsim.movie": set(),
    "castsim.painting": set(),
    "castsim.panels": {"pyvista", "vtkmodules"},
    "castsim.picture_commands": {"typer"},
    "castsim.rendering": set(),
    "castsim.scene": set(),
    "castsim.scene_page": set(),
    "castsim.sheet": set(),
    "castsim.still": set(),
    "castsim.stored_cast": {"vtkmodules"},
    "castsim.surfaces": {"pyvista"},
    "castsim.surroundings": set(),
    "castsim.views": set(),
    "geometry.simplifying": {"manifold3d"},
    "geometry.surface": {"vtkmodules"},
}

IMPORT_NAMES = {"pillow": "PIL"}
"""Packages that are imported by another name than they are installed by."""

STATUS_WORDS = ("seen", "recalled", "estimate", "interpolated", "definition")
"""How a number is known; a status may say which part is which: "seen(height) estimate(width)"."""

FOREIGN_PATHS = re.compile(r"/work/|/tmp/|\.\./shared|\bshared/(data|reference|seeds)|\bDESIGN\b")
"""Places on one machine, and papers that are not in the repository."""


def project_files() -> list[Path]:
    """Every file of the working tree but hidden and made ones; git need not be at hand."""
    made = {"__pycache__", "casts", "build", "dist"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and not any(
            part in made or part.endswith(".egg-info") or (part.startswith(".") and part != ".ci")
            for part in path.relative_to(ROOT).parts
        )
    ]


FILES = project_files()
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
    if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES
}
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in SOURCES.items()}


def imports(node: ast.AST, *, deferred: bool) -> Iterator[str]:
    """Absolute names imported below `node`; those inside functions only when `deferred`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"relative import in line {child.lineno}"
            # `from castsim import units` imports castsim.units as well as castsim.
            yield child.module or ""
            yield from (
                f"{child.module}.{alias.name}"
                for alias in child.names
                if f"{child.module}.{alias.name}" in SOURCES
            )
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif deferred or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(child, deferred=deferred)


def packages_imported(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(TREES[module], deferred=True)}


def test_there_is_something_to_check() -> None:
    assert {"castsim", "castsim.kernels", "geometry", "geometry.network"} <= set(SOURCES)


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("geometry")])
def test_geometry_knows_nothing_of_castsim(module: str) -> None:
    more = {"geometry"} | LEAVES.get(module, set())
    assert packages_imported(module) <= GEOMETRY_IMPORTS | more


@pytest.mark.parametrize("module", [name for name in SOURCES if ".kernels" in name])
def test_kernels_know_arrays_only(module: str) -> None:
    # The folders themselves look after numba's cache.
    looking_after = {"hashlib", "os", "pathlib", "geometry.kernels"}
    more = looking_after if module.endswith(".kernels") else {"geometry.kernels.compiling"}
    folder = module.split(".kernels", maxsplit=1)[0] + ".kernels"
    for name in set(imports(TREES[module], deferred=True)) - more:
        assert name.split(".")[0] in KERNEL_IMPORTS or name.startswith(folder), name


@pytest.mark.parametrize("module", SOURCES)
def test_only_leaves_import_what_is_heavy(module: str) -> None:
    assert packages_imported(module) & HEAVY <= LEAVES.get(module, set())


@pytest.mark.parametrize("module", [name for name in SOURCES if name not in LEAVES])
def test_leaves_are_imported_late(module: str) -> None:
    early = set(imports(TREES[module], deferred=False))
    assert not early & set(LEAVES), "import it inside the function that needs it"


@pytest.mark.parametrize("leaf", LEAVES)
def test_no_exception_is_stale(leaf: str) -> None:
    assert leaf in SOURCES
    assert packages_imported(leaf) & HEAVY == LEAVES[leaf]
    assert LEAVES[leaf] or set(imports(TREES[leaf], deferred=False)) & set(LEAVES)


def test_importing_castsim_loads_nothing_heavy() -> None:
    # simulate is what a Python user imports; it must stay as light as the package.
    names = [name for name in ("castsim", "castsim.simulate") if name in SOURCES]
    code = f"import sys, {', '.join(names)}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert child.stdout.split() == []


def test_every_package_is_imported_declared_and_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {
        IMPORT_NAMES.get(name, name.replace("-", "_"))
        for line in project["dependencies"]
        for name in [re.split(r"[<>=!~\[ ]", line)[0]]
    }
    imported = set().union(*(packages_imported(module) for module in SOURCES))
    foreign = imported - set(sys.stdlib_module_names) - set(PACKAGES)
    # vtk comes with pyvista.
    assert foreign - {"vtkmodules"} == declared
    explained = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *(line for extra in extras.values() for line in extra)]:
        name = re.split(r"[<>=!~\[ ]", line)[0]
        assert f"| {name} |" in explained, name


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_is_evaluated_or_unpickled(module: str) -> None:
    assert not packages_imported(module) & {"pickle", "marshal", "shelve", "dill", "joblib"}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "compile", "__import__"}, node.lineno
            assert not any(word.arg == "allow_pickle" for word in node.keywords), node.lineno


def test_files_are_short() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in FILES
        if path.suffix == ".py"
    }
    assert len(lines) > len(PACKAGES)
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_no_file_names_places_outside_the_project() -> None:
    text = {".py", ".md", ".toml", ".csv", ".json", ""}
    found = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        if path.suffix in text and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if FOREIGN_PATHS.search(line)
    }
    assert found == set()


TABLES = [path for path in FILES if path.suffix == ".csv" and path.parent.name == "data"]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_every_number_says_where_it_is_from(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows
    statuses = [column for column in rows[0] if re.fullmatch(r"status(_\w+)?", column)]
    assert "source" in rows[0]
    assert statuses
    for number, row in enumerate(rows, start=2):
        where = f"{table.name}, line {number}"
        assert None not in row, f"{where}: more cells than columns"
        assert all(cell is not None for cell in row.values()), f"{where}: too few cells"
        assert row["source"].strip(), f"{where}: no source"
        for column in statuses:
            status = row[column]
            known = any(word in status for word in STATUS_WORDS)
            empty = status in {"", "n/a"} and len(statuses) > 1
            assert known or empty, f"{where}: {column} is {status!r}"


def test_there_are_tables() -> None:
    assert len(TABLES) >= len({path.parent for path in TABLES}) >= 1
