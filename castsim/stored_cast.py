"""A cast on cubes read from its files, without injecting again, which takes minutes.

``cast.vtp`` and ``cast.vtu`` say when agent came to every cell and cube, when it was full and what
it held at the end; veins and mesh are built anew, and their places held against those of the file.
Before the end a cell that blood had torn open is taken to have filled evenly from first to last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from castsim.errors import ResultError
from castsim.history import History
from castsim.holding import CubesHold, Holding
from castsim.scenario import Scenario
from castsim.simulate import build_anatomy, catheter_route, with_balloon
from castsim.units import uL_from_mL
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh

if TYPE_CHECKING:
    from castsim.simulate import Progress

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Arrays = dict[str, FloatArray]

SAME_PLACE_MM = 1e-3
"""Places in the files are single numbers."""
HISTORY = ("arrival_volume_mL", "filled_volume_mL", "saturation")
LINES, CUBES = "cast.vtp", "cast.vtu"


@dataclass(frozen=True)
class StoredCast:
    """What fluoroscopy needs of a cast on cubes; names as in :class:`castsim.cast.Cast`.

    Attributes
    ----------
    scenario, anatomy, mesh : the patient, and the centreline mesh with the catheter
    injected : mm3, agent out of the tip
    lines : history of its cells (n,)
    is_cubes : (n,) cells that are cubes
    cubes : history of the cubes (c,)
    origin, spacing, place, cube_volume : of the cubes
    """

    scenario: Scenario
    anatomy: Anatomy
    mesh: CentrelineMesh
    injected: float
    lines: History
    is_cubes: NDArray[np.bool_]
    cubes: History
    origin: FloatArray
    spacing: float
    place: IntArray
    cube_volume: FloatArray

    @property
    def saturation(self) -> FloatArray:
        """Share of each cell that is agent at the end, (n,)."""
        return self.lines.saturation

    @cached_property
    def rest(self) -> VenousFlow:
        """Resting flow."""
        flow = with_balloon(self.mesh, self.scenario)
        return resting_flow(flow, self.scenario.physiology())

    def holding_at(self, volume: float) -> Holding:
        """What it held when `volume` (mm3) had left the tip."""
        share, own = self.lines.saturation_at(volume), self.cubes.saturation_at(volume)
        cubes = CubesHold(self.origin, self.spacing, self.place, own)
        lines = np.where(self.is_cubes, 0.0, share) @ self.mesh.flow.cell_volume
        return Holding(share, float(lines + own @ self.cube_volume), cubes)


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
    places, lines, _ = _read(folder / LINES, (*HISTORY, "is_cubes"), cells=False)
    points = mesh.flow.cell_centroid[mesh.polyline_cell]
    if len(places) != len(points) or np.abs(places - points).max() > SAME_PLACE_MM:
        raise ResultError(
            f"{folder / LINES}: written by castsim {report['version']}; the veins of this castsim "
            "are others: run the scenario again"
        )
    of_cell = np.zeros(mesh.flow.n_cells, dtype=np.int64)
    of_cell[mesh.polyline_cell] = np.arange(len(points))
    centres, cubes, spacing = _read(folder / CUBES, (*HISTORY, "volume_uL"), cells=True)
    origin = centres.min(axis=0)
    return StoredCast(
        scenario=scenario,
        anatomy=anatomy,
        mesh=mesh,
        injected=injected,
        lines=_history({name: values[of_cell] for name, values in lines.items()}, injected),
        is_cubes=lines["is_cubes"][of_cell] > 0.0,
        cubes=_history(cubes, injected),
        origin=origin,
        spacing=spacing,
        place=np.rint((centres - origin) / spacing).astype(np.int64),
        cube_volume=cubes["volume_uL"],
    )


def _history(arrays: Arrays, injected: float) -> History:
    """History of cells from what the files say of them."""
    first, full = (
        np.where(arrays[name] < 0.0, np.inf, uL_from_mL(1.0) * arrays[name]) for name in HISTORY[:2]
    )
    return History(first, full, arrays["saturation"], (), np.zeros(0, dtype=np.int64), injected)


def _read(path: Path, names: Iterable[str], *, cells: bool) -> tuple[FloatArray, Arrays, float]:
    """Places (k, 3) mm of points, or of the centres of cells; arrays (k,) by name; spacing, mm."""
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

    if not path.is_file():
        raise ResultError(f"{path}: is missing: run the scenario again")
    numpy_from: Any = numpy_support.vtk_to_numpy  # has no types
    reader: Any = vtkXMLUnstructuredGridReader() if cells else vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    vtkObject.GlobalWarningDisplayOff()  # one line is said below
    try:
        reader.Update()
    finally:
        vtkObject.GlobalWarningDisplayOn()
    data = reader.GetOutput()
    values = data.GetCellData() if cells else data.GetPointData()
    if not data.GetNumberOfPoints() or not all(values.HasArray(name) for name in names):
        raise ResultError(
            f"{path}: is damaged, or was written by an earlier castsim: run the scenario again"
        )
    places = numpy_from(data.GetPoints().GetData()).astype(float)
    spacing = 0.0
    if cells:
        corners = numpy_from(data.GetCells().GetConnectivityArray()).reshape(-1, 8)
        places = places[corners].mean(axis=1)
        spacing = float(data.GetFieldData().GetArray("spacing_mm").GetValue(0))
    arrays = {name: numpy_from(values.GetArray(name)).astype(float) for name in names}
    return places, arrays, spacing
