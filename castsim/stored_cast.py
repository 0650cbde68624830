"""A cast on cubes read from its files, without injecting again.

``cast.vtp`` and ``cast.vtu`` say when agent came to every cell and cube, when it was full and what
it held at the end, and keep the log; the veins are built anew, and their places held against those
of the file. Before the end a cell that blood had torn open is taken to have filled evenly from
first to last.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from castsim.cast_reading import SavedCast, read_cast, read_report
from castsim.drawn import Cells, DrawnCast
from castsim.errors import ResultError
from castsim.history import History
from castsim.holding import CubesHold, Holding
from castsim.scenario import Scenario
from castsim.simulate import build_anatomy, catheter_route, with_balloon
from castsim.units import uL_from_mL
from castsim.venous_flow import VenousFlow, resting_flow
from castsim.voxel_cast import BALL_RADIUS
from castsim.vtp import LOG
from castsim.xray import load_xray
from geometry.anatomy import Anatomy
from geometry.catheter_course import catheter_course
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.coverage import root_coverage
from geometry.flowmesh import FlowMesh
from geometry.structures import Structure

if TYPE_CHECKING:
    from castsim.simulate import Progress

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Arrays = dict[str, FloatArray]

SAME_PLACE_MM = 1e-3
"""Places in the files are single numbers."""
HISTORY = ("arrival_volume_mL", "filled_volume_mL", "saturation")
LABELS = ("structure_code", "level_code", "side_code")
LINES, CUBES = "cast.vtp", "cast.vtu"
NOT_QUITE_FULL = float(np.nextafter(1.0, 0.0))
"""A cell that never was full: its saturation in single precision may round to one."""


@dataclass(frozen=True)
class StoredCast:
    """What is drawn of a cast on cubes; names as in :class:`castsim.cast.Cast`.

    Attributes
    ----------
    scenario, anatomy, mesh : the patient, and the centreline mesh with the catheter
    route : of the catheter
    injected : mm3, agent out of the tip
    lines : history of the cells of the mesh (n,)
    is_cubes : (n,) cells that are cubes
    cells : cells that are none, and then the cubes
    empty : the cubes, without agent
    log : columns of the log, one row a step
    stop_reason : why the injection ended
    """

    scenario: Scenario
    anatomy: Anatomy
    mesh: CentrelineMesh
    route: CatheterRoute
    injected: float
    lines: History
    is_cubes: NDArray[np.bool_]
    cells: Cells
    empty: CubesHold
    log: Arrays
    stop_reason: str

    @property
    def first_volume(self) -> FloatArray:
        """When agent came to each cell of the mesh, (n,) mm3 out of the tip; inf: never."""
        return self.lines.first

    @property
    def saturation(self) -> FloatArray:
        """Share of each cell of the mesh that is agent at the end, (n,)."""
        return self.lines.saturation

    @cached_property
    def rest(self) -> VenousFlow:
        """Resting flow."""
        flow = with_balloon(self.mesh, self.scenario)
        return resting_flow(flow, self.scenario.physiology())

    @cached_property
    def catheter(self) -> FloatArray:
        """Points (m, 3) mm of the catheter as it is drawn, from its tip to the groin."""
        return catheter_course(self.anatomy.network, self.route, load_xray().bend_radius_mm)

    def holding_at(self, volume: float) -> Holding:
        """What it held when `volume` (mm3) had left the tip."""
        share = self.cells.saturation_at(volume)
        cubes = replace(self.empty, share=share[-len(self.empty.place) :])
        return Holding(self.lines.saturation_at(volume), float(share @ self.cells.volume), cubes)


def read_drawn(folder: str | Path, *, progress: "Progress | None" = None) -> "SavedCast[DrawnCast]":
    """Read a result folder for what is drawn of it: on cubes from its files, else by a new run.

    Parameters
    ----------
    folder : that `castsim run` has written
    progress : told what is being done

    Raises
    ------
    ResultError
        If there is no such result, it is damaged, or the veins of this castsim are others.
    """
    folder = Path(folder)
    report = read_report(folder)
    if report["scenario"]["mesh"]["kind"] == "voxel":
        return SavedCast(folder, read_stored(folder, report, progress=progress), report)
    return read_cast(folder, progress=progress)


def read_stored(
    folder: Path, report: dict[str, Any], *, progress: "Progress | None" = None
) -> StoredCast:
    """Read a cast on cubes.

    Parameters
    ----------
    folder : that `castsim run` has written
    report : its ``cast.json`` (:func:`castsim.cast_reading.read_report`)
    progress : told what is being done

    Raises
    ------
    ResultError
        If a file is missing or damaged, or the veins of this castsim are others.
    """
    tell = progress or (lambda stage, done: None)
    tell("geometry", 0.0)
    scenario = Scenario.model_validate(report["scenario"])
    patient = scenario.patient
    anatomy = build_anatomy(patient.anatomy, patient.seed, patient.traits())
    route = catheter_route(anatomy, scenario)
    mesh = centreline_mesh(anatomy.network, scenario.mesh.cell_mm, route)
    tell("reading", 0.0)
    injected = uL_from_mL(float(report["injected_mL"]))
    on_lines = _read(folder / LINES, (*HISTORY, "is_cubes"))
    points = mesh.flow.cell_centroid[mesh.polyline_cell]
    places = on_lines.places
    if len(places) != len(points) or np.abs(places - points).max() > SAME_PLACE_MM:
        raise ResultError(
            f"{folder / LINES}: written by castsim {report['version']}; the veins of this castsim "
            "are others: run the scenario again"
        )
    of_cell = np.zeros(mesh.flow.n_cells, dtype=np.int64)
    of_cell[mesh.polyline_cell] = np.arange(len(points))
    lines = {name: values[of_cell] for name, values in on_lines.arrays.items()}
    is_cubes = lines["is_cubes"] > 0.0
    steps = tuple(name for name, _ in LOG.values())
    cubes = _read(folder / CUBES, (*HISTORY, "volume_uL", *LABELS), ("spacing_mm", *steps))
    spacing, origin = float(cubes.field["spacing_mm"][0]), cubes.places.min(axis=0)
    place = np.rint((cubes.places - origin) / spacing).astype(np.int64)
    return StoredCast(
        scenario=scenario,
        anatomy=anatomy,
        mesh=mesh,
        route=route,
        injected=injected,
        lines=_history(lines, injected),
        is_cubes=is_cubes,
        cells=_cells(scenario, anatomy, mesh.flow, lines, cubes, injected),
        empty=CubesHold(origin, spacing, place, np.zeros(len(place))),
        log={column: unit * cubes.field[name] for column, (name, unit) in LOG.items()},
        stop_reason=str(report["stop_reason"]),
    )


def _cells(
    scenario: Scenario,
    anatomy: Anatomy,
    flow: FlowMesh,
    lines: Arrays,
    cubes: "_File",
    injected: float,
) -> Cells:
    """Cells of the centreline mesh `flow` that are no cubes, and then the cubes."""
    still = np.flatnonzero(lines["is_cubes"] <= 0.0)

    def both(of_lines: FloatArray | IntArray, of_cubes: FloatArray) -> FloatArray:
        return np.concatenate([of_lines[still], of_cubes])

    of_lines = flow.cell_structure, flow.cell_level, flow.cell_side
    labels = [
        both(own, cubes.arrays[name]).astype(np.int64)
        for own, name in zip(of_lines, LABELS, strict=True)
    ]
    target, centre = scenario.target, both(flow.cell_centroid, cubes.places)
    wanted = (Structure.FORAMINAL, target.root, target.side_code)
    near = np.flatnonzero((np.stack(labels, axis=1) == wanted).all(axis=1))
    ball = np.full(len(cubes.places), BALL_RADIUS * cubes.field["spacing_mm"][0])
    cover = root_coverage(
        anatomy.skeleton.root_sleeve(target.root, target.side_code),
        near,
        centre[near],
        both(flow.cell_radius, ball)[near],
        both(flow.cell_radius_minor, ball)[near],
    )
    history = {name: both(lines[name], cubes.arrays[name]) for name in HISTORY}
    volume = both(flow.cell_volume, cubes.arrays["volume_uL"])
    return Cells(centre, volume, labels[0], _history(history, injected), cover)


def _history(arrays: Arrays, injected: float) -> History:
    """History of cells from what the files say of them."""
    # in single precision a volume may round to more than was injected
    first, full = (
        np.where(arrays[name] < 0.0, np.inf, np.minimum(uL_from_mL(1.0) * arrays[name], injected))
        for name in HISTORY[:2]
    )
    held = arrays["saturation"]
    held = np.where(np.isfinite(full), held, np.minimum(held, NOT_QUITE_FULL))
    return History(first, full, held, (), np.zeros(0, dtype=np.int64), injected)


@dataclass(frozen=True)
class _File:
    """Places (k, 3) mm of points, or of the centres of cells; arrays (k,) and of any length."""

    places: FloatArray
    arrays: Arrays
    field: Arrays


def _read(path: Path, names: Iterable[str], field: Iterable[str] = ()) -> _File:
    """Arrays of the points of lines, or of the cells and the whole of cubes, by name."""
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

    if not path.is_file():
        raise ResultError(f"{path}: is missing: run the scenario again")
    numpy_from: Any = numpy_support.vtk_to_numpy  # has no types
    cells = path.name == CUBES
    reader: Any = vtkXMLUnstructuredGridReader() if cells else vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    vtkObject.GlobalWarningDisplayOff()  # one line is said below
    try:
        reader.Update()
    finally:
        vtkObject.GlobalWarningDisplayOn()
    data = reader.GetOutput()
    values, whole = data.GetCellData() if cells else data.GetPointData(), data.GetFieldData()
    complete = all(values.HasArray(name) for name in names)
    complete &= all(whole.HasArray(name) for name in field)
    if not data.GetNumberOfPoints() or not complete:
        raise ResultError(
            f"{path}: is damaged, or was written by an earlier castsim: run the scenario again"
        )
    places = numpy_from(data.GetPoints().GetData()).astype(float)
    if cells:
        corners = numpy_from(data.GetCells().GetConnectivityArray()).reshape(-1, 8)
        places = places[corners].mean(axis=1)
    arrays, more = (
        {name: numpy_from(group.GetArray(name)).astype(float) for name in wanted}
        for group, wanted in ((values, names), (whole, field))
    )
    return _File(places, arrays, more)
