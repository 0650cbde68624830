"""FlowMesh: the one finite-volume mesh that every solver reads.

It is arrays only and can be built from arrays alone, so that any network can be
simulated. :meth:`FlowMesh.validate` names each way in which arrays can be wrong.
"""

from dataclasses import dataclass, fields
from typing import Self

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import GeometryError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NO_GATE = -1
"""Gate code of a link that agent never enters: a port-to-port face of a reduced far field."""

UNLABELLED = -1
"""Structure, level or branch code of a cell that belongs to no anatomy."""

LABELS = ("cell_structure", "cell_level", "cell_branch")
POSITIVE = ("cell_volume", "cell_radius", "cell_radius_minor", "gate_radius", "terminal_radius")
NOT_NEGATIVE = ("cell_gap", "half_resistance", "face_length", "terminal_resistance")


@dataclass(frozen=True)
class FlowMesh:
    """Cells, faces, gates and terminals of one flow domain.

    A face carries Q = (P_owner - P_neighbour) / (mu_owner h_owner + mu_neighbour h_neighbour),
    positive from owner to neighbour, with h the two columns of `half_resistance`.

    Cells
    -----
    cell_volume : (n,) mm3, lumen open to agent (without the catheter); > 0
    cell_radius, cell_radius_minor : (n,) mm, semi-axes of the lumen, major >= minor > 0
    cell_gap : (n,) mm, width of the annulus round a catheter, 0 where there is none
    cell_centroid : (n, 3) mm
    cell_structure, cell_level, cell_side, cell_branch : (n,) codes
        (a junction cell takes the labels of its widest branch)

    Faces
    -----
    face_owner, face_neighbour : (m,) cells
    half_resistance : (m, 2) mm^-3, owner's and neighbour's part; >= 0 and their sum > 0
    face_centroid : (m, 3) mm
    face_length : (m,) mm of vein that the face stands for (centre to centre)
    face_valve : (m,) +1 lets through from owner to neighbour only, -1 the other way, 0 no valve
    face_gate : (m,) gate index, or NO_GATE

    Gates (stretches of one branch, two radii long, that share one skin)
    -----
    gate_radius : (g,) mm, lumen radius there
    gate_branch, gate_stretch : (g,) where it lies; UNLABELLED in no branch
    branch_key : (b,) name of each branch in the disorder of its gates: it survives refinement, and
        that other branches are missing

    Terminals (each is one more face, out of its cell)
    -----
    terminal_cell : (t,)
    terminal_pressure : (t,) Pa
    terminal_resistance : (t,) Pa s mm^-3, 0 = fixed pressure
    terminal_radius : (t,) mm
    terminal_kind : (t,) :class:`geometry.network.TerminalKind` codes
    terminal_gate : (t,) gate index
    terminal_name : (t,) names, or () for none
    """

    cell_volume: FloatArray
    cell_radius: FloatArray
    cell_radius_minor: FloatArray
    cell_gap: FloatArray
    cell_centroid: FloatArray
    cell_structure: IntArray
    cell_level: IntArray
    cell_side: IntArray
    cell_branch: IntArray
    face_owner: IntArray
    face_neighbour: IntArray
    half_resistance: FloatArray
    face_centroid: FloatArray
    face_length: FloatArray
    face_valve: IntArray
    face_gate: IntArray
    gate_radius: FloatArray
    gate_branch: IntArray
    gate_stretch: IntArray
    branch_key: IntArray
    terminal_cell: IntArray
    terminal_pressure: FloatArray
    terminal_resistance: FloatArray
    terminal_radius: FloatArray
    terminal_kind: IntArray
    terminal_gate: IntArray
    terminal_name: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cell_volume)

    @property
    def n_faces(self) -> int:
        """Number of faces."""
        return len(self.face_owner)

    @property
    def n_gates(self) -> int:
        """Number of gates."""
        return len(self.gate_radius)

    @property
    def gate_key(self) -> IntArray:
        """Name of the branch of every gate, UNLABELLED in none, (g,)."""
        return np.append(self.branch_key, UNLABELLED)[self.gate_branch]

    @property
    def n_terminals(self) -> int:
        """Number of terminals."""
        return len(self.terminal_cell)

    @classmethod
    def from_arrays(
        cls,
        *,
        cell_volume: ArrayLike,
        cell_radius: ArrayLike,
        face_owner: ArrayLike = (),
        face_neighbour: ArrayLike = (),
        terminal_cell: ArrayLike = (),
        terminal_name: tuple[str, ...] = (),
        **given: ArrayLike,
    ) -> Self:
        """Build a checked mesh from bare arrays; any other field may be `given` by name.

        Scalars are spread over their rows. What is not given is derived:

        - `cell_radius_minor` = `cell_radius`, `cell_gap` = 0, `cell_centroid` = 0 (no height),
          `cell_structure`, `cell_level`, `cell_branch` = UNLABELLED, `cell_side` = 0;
        - a cell is a piece of vein of length V / (pi a b); half of it gives `half_resistance`
          (Poiseuille in an ellipse, h = 2 L (a^2 + b^2) / (pi a^3 b^3)), and the mean of two
          neighbours gives `face_length`;
        - `face_centroid` lies midway between the cells, `face_valve` = 0;
        - every face has a gate of its own (key: branch = face, stretch = 0), and so has every
          terminal (branch = m + terminal); `gate_radius` is the mean of the joined cells'
          radii of curvature 2ab/(a+b);
        - terminals hold 0 Pa without resistance, have the radius of their cell, and are outlets.

        Raises
        ------
        GeometryError
            As :meth:`validate`, or an unknown field name.

        Examples
        --------
        A tube of four cells, 1 mm in radius and 2 mm long in all, from 100 Pa to 0 Pa:

        >>> mesh = FlowMesh.from_arrays(
        ...     cell_volume=[0.5 * np.pi] * 4,
        ...     cell_radius=1.0,
        ...     face_owner=[0, 1, 2],
        ...     face_neighbour=[1, 2, 3],
        ...     terminal_cell=[0, 3],
        ...     terminal_pressure=[100.0, 0.0],
        ... )
        >>> mesh.n_cells, mesh.n_faces, mesh.n_gates
        (4, 3, 5)
        """
        known = {field.name for field in fields(cls)}
        for name in given:
            if name not in known:
                raise GeometryError(f"FlowMesh has no field {name!r}; fields: {sorted(known)}")

        def take(name: str, default: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
            return _spread(name, given.get(name, default), shape, float)

        def codes(name: str, default: ArrayLike, shape: tuple[int, ...]) -> IntArray:
            return _spread(name, given.get(name, default), shape, int)

        n, m, t = np.size(cell_volume), np.size(face_owner), np.size(terminal_cell)
        volume = _spread("cell_volume", cell_volume, (n,), float)
        radius = _spread("cell_radius", cell_radius, (n,), float)
        owner = _spread("face_owner", face_owner, (m,), int)
        neighbour = _spread("face_neighbour", face_neighbour, (m,), int)
        drained = _spread("terminal_cell", terminal_cell, (t,), int)
        _check_range("face_owner", owner, 0, n)
        _check_range("face_neighbour", neighbour, 0, n)
        _check_range("terminal_cell", drained, 0, n)
        minor = take("cell_radius_minor", radius, (n,))
        for name, value in (
            ("cell_volume", volume),
            ("cell_radius", radius),
            ("cell_radius_minor", minor),
        ):
            _check_positive(name, value)
        centroid = take("cell_centroid", 0.0, (n, 3))
        length = volume / (np.pi * radius * minor)
        half = 2 * length * (radius**2 + minor**2) / (np.pi * (radius * minor) ** 3)
        curvature = 2 * radius * minor / (radius + minor)
        own_gates = m + t if "gate_radius" not in given else np.size(given["gate_radius"])
        if "gate_radius" in given and not {"face_gate", "terminal_gate"} <= set(given):
            raise GeometryError("gate_radius given: give face_gate and terminal_gate too")
        gate_branch = codes("gate_branch", np.arange(own_gates), (own_gates,))
        branches = np.size(given.get("branch_key", range(1 + gate_branch.max(initial=UNLABELLED))))
        face_curvature = 0.5 * (curvature[owner] + curvature[neighbour])
        mesh = cls(
            cell_volume=volume,
            cell_radius=radius,
            cell_radius_minor=minor,
            cell_gap=take("cell_gap", 0.0, (n,)),
            cell_centroid=centroid,
            cell_structure=codes("cell_structure", UNLABELLED, (n,)),
            cell_level=codes("cell_level", UNLABELLED, (n,)),
            cell_side=codes("cell_side", 0, (n,)),
            cell_branch=codes("cell_branch", UNLABELLED, (n,)),
            face_owner=owner,
            face_neighbour=neighbour,
            half_resistance=take(
                "half_resistance", np.column_stack([half[owner], half[neighbour]]), (m, 2)
            ),
            face_centroid=take(
                "face_centroid", 0.5 * (centroid[owner] + centroid[neighbour]), (m, 3)
            ),
            face_length=take("face_length", 0.5 * (length[owner] + length[neighbour]), (m,)),
            face_valve=codes("face_valve", 0, (m,)),
            face_gate=codes("face_gate", np.arange(m), (m,)),
            gate_radius=take(
                "gate_radius", np.concatenate([face_curvature, curvature[drained]]), (own_gates,)
            ),
            gate_branch=gate_branch,
            branch_key=codes("branch_key", np.arange(branches), (branches,)),
            gate_stretch=codes("gate_stretch", 0, (own_gates,)),
            terminal_cell=drained,
            terminal_pressure=take("terminal_pressure", 0.0, (t,)),
            terminal_resistance=take("terminal_resistance", 0.0, (t,)),
            terminal_radius=take("terminal_radius", radius[drained], (t,)),
            terminal_kind=codes("terminal_kind", 0, (t,)),
            terminal_gate=codes("terminal_gate", m + np.arange(t), (t,)),
            terminal_name=terminal_name,
        )
        mesh.validate()
        return mesh

    def validate(self, *, must_drain: bool = False) -> None:
        """Raise one clear :class:`GeometryError` for the first thing wrong with the arrays.

        Parameters
        ----------
        must_drain
            Also refuse cells from which no way leads to any terminal (valves count as open).
        """
        self._check_shapes()
        n, g = self.n_cells, self.n_gates
        for name in POSITIVE:
            _check_positive(name, getattr(self, name))
        for name in NOT_NEGATIVE:
            value = getattr(self, name)
            if value.min(initial=0.0) < 0:
                _refuse(name, value, value < 0, "must be >= 0")
        _refuse(
            "cell_radius_minor",
            self.cell_radius_minor,
            self.cell_radius_minor > self.cell_radius * (1 + 1e-12),
            "must not exceed cell_radius",
        )
        _refuse(
            "cell_gap", self.cell_gap, self.cell_gap >= self.cell_radius, "must be < cell_radius"
        )
        _check_range("face_owner", self.face_owner, 0, n)
        _check_range("face_neighbour", self.face_neighbour, 0, n)
        loop = self.face_owner == self.face_neighbour
        _refuse("face_neighbour", self.face_neighbour, loop, "must differ from face_owner")
        blocked = self.half_resistance[:, 0] + self.half_resistance[:, 1] == 0
        _refuse("half_resistance", self.half_resistance, blocked, "must have a sum > 0")
        if not _lies_within(self.face_valve, -2, 2):
            beyond = np.abs(self.face_valve) > 1
            _refuse("face_valve", self.face_valve, beyond, "must be -1, 0 or 1")
        _check_range("face_gate", self.face_gate, NO_GATE, g)
        _check_range("terminal_cell", self.terminal_cell, 0, n)
        _check_range("terminal_gate", self.terminal_gate, 0, g)
        _check_range("terminal_kind", self.terminal_kind, 0, 4)
        _check_range("gate_branch", self.gate_branch, UNLABELLED, len(self.branch_key))
        for name in LABELS:
            _check_range(name, getattr(self, name), UNLABELLED, np.iinfo(np.int64).max)
        _check_range("cell_side", self.cell_side, -1, 2)
        if must_drain:
            self._check_drained()

    def _check_shapes(self) -> None:
        if self.n_cells == 0:
            raise GeometryError("FlowMesh: cell_volume is empty; a mesh needs at least one cell")
        rows = {
            "cell": self.n_cells,
            "face": self.n_faces,
            "half": self.n_faces,
            "gate": self.n_gates,
            "branch": len(self.branch_key),
            "terminal": self.n_terminals,
        }
        columns = {"cell_centroid": (3,), "face_centroid": (3,), "half_resistance": (2,)}
        for field in fields(self):
            if field.name == "terminal_name":
                continue
            value = getattr(self, field.name)
            if not isinstance(value, np.ndarray) or value.dtype not in (np.float64, np.int64):
                raise GeometryError(f"FlowMesh: {field.name} must be a float64 or int64 array")
            wanted = np.dtype(np.float64 if field.type == FloatArray else np.int64)
            if value.dtype != wanted:
                raise GeometryError(
                    f"FlowMesh: {field.name} has dtype {value.dtype}, must be {wanted}"
                )
            shape = (rows[field.name.split("_")[0]], *columns.get(field.name, ()))
            if value.shape != shape:
                raise GeometryError(
                    f"FlowMesh: {field.name} has shape {value.shape}, must be {shape}"
                )
            if value.dtype == np.float64 and not _lies_within(value, -np.inf, np.inf):
                _refuse(field.name, value, ~np.isfinite(value), "must be finite")
        if self.terminal_name and len(self.terminal_name) != self.n_terminals:
            raise GeometryError(
                f"FlowMesh: terminal_name has {len(self.terminal_name)} names, "
                f"must have {self.n_terminals} or none"
            )

    def _check_drained(self) -> None:
        drained = joined(self.n_cells, self.face_owner, self.face_neighbour, self.terminal_cell)
        if not drained.all():
            first = int(np.flatnonzero(~drained)[0])
            raise GeometryError(
                f"FlowMesh: {int((~drained).sum())} cells reach no terminal, the first is cell "
                f"{first} (branch {self.cell_branch[first]}); join them or give them a terminal"
            )


def _lies_within(value: FloatArray | IntArray, above: float, below: float) -> bool:
    """Whether all values lie between these two, which they may not touch: no array is made."""
    return not value.size or bool(value.min() > above and value.max() < below)


@nb.njit(cache=True, nogil=True)
def joined(n: int, owner: IntArray, neighbour: IntArray, ends: IntArray) -> NDArray[np.bool_]:
    """Cells that faces join to any of the cells `ends`, (n,): union by the lower number."""
    root = np.arange(n)
    for face in range(len(owner)):
        i = owner[face]
        j = neighbour[face]
        while i != j:
            if i < j:
                i, j = j, i
            # i is the higher: hang it below j, and go on with what it hung from
            above = root[i]
            root[i] = j
            i = above if above != i else j
    for i in range(n):
        root[i] = root[root[i]]
    reached = np.zeros(n, dtype=np.bool_)
    for cell in ends:
        reached[root[cell]] = True
    return reached[root]


def _spread(name: str, value: ArrayLike, shape: tuple[int, ...], kind: type) -> NDArray:  # type: ignore[type-arg]
    array = np.asarray(value)
    if kind is int and array.size and not np.issubdtype(array.dtype, np.integer):
        raise GeometryError(f"FlowMesh: {name} must be integers, got dtype {array.dtype}")
    try:
        return np.array(np.broadcast_to(array, shape), dtype=np.int64 if kind is int else float)
    except ValueError as error:
        raise GeometryError(f"FlowMesh: {name} has shape {array.shape}, must be {shape}") from error


def _refuse(name: str, value: FloatArray | IntArray, bad: NDArray[np.bool_], allowed: str) -> None:
    """Raise for the first row in which anything is `bad`."""
    if not bad.any():
        return
    first = int(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))[0])
    raise GeometryError(f"FlowMesh: {name}[{first}] = {value[first]} {allowed}")


def _check_positive(name: str, value: FloatArray) -> None:
    if not _lies_within(value, 0.0, np.inf):
        _refuse(name, value, ~(np.isfinite(value) & (value > 0)), "must be finite and > 0")


def _check_range(name: str, value: IntArray, low: int, high: int) -> None:
    if not _lies_within(value, low - 1, high):
        _refuse(name, value, (value < low) | (value >= high), f"must be in {low}..{high - 1}")
