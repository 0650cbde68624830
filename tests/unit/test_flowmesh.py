"""FlowMesh: defaults of from_arrays, and one clear error for each way arrays can be wrong."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from geometry.errors import GeometryError
from geometry.flowmesh import NO_GATE, UNLABELLED, FlowMesh


def tube() -> FlowMesh:
    """0 - 1 - 2 - 3, a vein of radius 1 mm in cells of 0.5 mm, open at both ends."""
    return FlowMesh.from_arrays(
        cell_volume=[0.5 * np.pi] * 4,
        cell_radius=1.0,
        face_owner=[0, 1, 2],
        face_neighbour=[1, 2, 3],
        terminal_cell=[0, 3],
        terminal_name=("in", "out"),
    )


def test_defaults_are_those_of_a_poiseuille_tube() -> None:
    mesh = tube()
    half_cell = 8 * 0.25 / np.pi
    np.testing.assert_allclose(mesh.half_resistance, half_cell, rtol=1e-14)
    np.testing.assert_allclose(mesh.face_length, 0.5, rtol=1e-14)
    np.testing.assert_allclose(mesh.gate_radius, 1.0)
    assert mesh.face_gate.tolist() == [0, 1, 2]
    assert mesh.terminal_gate.tolist() == [3, 4]
    assert (mesh.cell_structure == UNLABELLED).all()


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        tube().cell_volume[0] = 1.0


def test_single_cell_without_faces_is_a_mesh() -> None:
    mesh = FlowMesh.from_arrays(cell_volume=[1.0], cell_radius=1.0)
    assert (mesh.n_cells, mesh.n_faces, mesh.n_terminals) == (1, 0, 0)


def test_face_without_gate_is_allowed() -> None:
    replace(tube(), face_gate=np.array([NO_GATE, 1, 2])).validate()


WRONG: list[tuple[str, Any, str]] = [
    ("cell_volume", np.zeros(0), "at least one cell"),
    ("cell_radius", np.ones(3), r"cell_radius has shape \(3,\), must be \(4,\)"),
    ("cell_centroid", np.zeros((4, 2)), "cell_centroid has shape"),
    ("half_resistance", np.ones((3, 3)), "half_resistance has shape"),
    ("gate_stretch", np.zeros(2, dtype=np.int64), "gate_stretch has shape"),
    ("terminal_pressure", np.zeros(3), "terminal_pressure has shape"),
    ("terminal_name", ("one",), "terminal_name has 1 names"),
    ("cell_volume", np.ones(4, dtype=np.int64), "cell_volume has dtype int64"),
    ("face_owner", np.array([0.0, 1.0, 2.0]), "face_owner has dtype float64"),
    ("cell_gap", np.zeros(4, dtype=np.float32), "cell_gap must be a float64 or int64"),
    ("cell_volume", [1.0] * 4, "cell_volume must be a float64 or int64 array"),
    (
        "cell_volume",
        np.array([1.0, 0.0, 1.0, 1.0]),
        r"cell_volume\[1\] = 0.0 must be finite and > 0",
    ),
    ("cell_volume", np.array([1.0, np.nan, 1.0, 1.0]), r"cell_volume\[1\] = nan must be finite"),
    ("cell_centroid", np.full((4, 3), np.inf), r"cell_centroid\[0\].*finite"),
    ("cell_radius", np.array([1.0, 1.0, -1.0, 1.0]), r"cell_radius\[2\]"),
    ("cell_radius_minor", np.full(4, 2.0), "must not exceed cell_radius"),
    ("cell_gap", np.full(4, -0.1), r"cell_gap\[0\].*>= 0"),
    ("cell_gap", np.ones(4), r"cell_gap\[0\].*< cell_radius"),
    ("cell_structure", np.full(4, -2), r"cell_structure\[0\]"),
    ("cell_side", np.array([0, 1, 2, 0]), r"cell_side\[2\] = 2 must be in -1..1"),
    ("face_owner", np.array([0, 1, 4]), r"face_owner\[2\] = 4 must be in 0..3"),
    ("face_neighbour", np.array([-1, 2, 3]), r"face_neighbour\[0\] = -1"),
    ("face_neighbour", np.array([1, 1, 3]), r"face_neighbour\[1\] = 1 must differ"),
    ("half_resistance", np.full((3, 2), -1.0), r"half_resistance\[0\].*>= 0"),
    ("half_resistance", np.zeros((3, 2)), r"half_resistance\[0\].*sum > 0"),
    ("half_resistance", np.full((3, 2), np.nan), r"half_resistance\[0\].*finite"),
    ("face_length", np.full(3, -1.0), r"face_length\[0\].*>= 0"),
    ("face_valve", np.array([0, 2, 0]), r"face_valve\[1\] = 2 must be -1, 0 or 1"),
    ("face_gate", np.array([0, 5, 1]), r"face_gate\[1\] = 5 must be in -1..4"),
    ("face_gate", np.array([0, -2, 1]), r"face_gate\[1\] = -2"),
    ("gate_radius", np.zeros(5), r"gate_radius\[0\]"),
    ("terminal_cell", np.array([0, 4]), r"terminal_cell\[1\] = 4 must be in 0..3"),
    ("terminal_resistance", np.array([0.0, -1.0]), r"terminal_resistance\[1\].*>= 0"),
    ("terminal_radius", np.array([0.0, 1.0]), r"terminal_radius\[0\]"),
    ("terminal_kind", np.array([0, 9]), r"terminal_kind\[1\] = 9 must be in 0..3"),
    ("terminal_gate", np.array([NO_GATE, 1]), r"terminal_gate\[0\] = -1 must be in 0..4"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
def test_each_fault_has_its_message(field: str, value: Any, message: str) -> None:
    mesh = replace(tube(), **{field: value})
    with pytest.raises(GeometryError, match=message):
        mesh.validate()


def test_cell_that_reaches_no_terminal_is_refused_on_demand() -> None:
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0] * 4,
        cell_radius=1.0,
        face_owner=[0, 2],
        face_neighbour=[1, 3],
        terminal_cell=[0],
    )
    mesh.validate()
    with pytest.raises(GeometryError, match="2 cells reach no terminal, the first is cell 2"):
        mesh.validate(must_drain=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": 1.0}, "no field 'colour'"),
        ({"cell_gap": [1.0, 2.0]}, "cell_gap has shape"),
        ({"face_owner": [0.5, 1, 2]}, "face_owner must be integers"),
        ({"face_owner": [0, 1, 9]}, "face_owner"),
        ({"cell_radius": 0.0}, "cell_radius"),
        ({"gate_radius": [1.0]}, "face_gate and terminal_gate"),
    ],
)
def test_from_arrays_refuses(given: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "cell_volume": [1.0] * 4,
        "cell_radius": 1.0,
        "face_owner": [0, 1, 2],
        "face_neighbour": [1, 2, 3],
    }
    with pytest.raises(GeometryError, match=message):
        FlowMesh.from_arrays(**(arguments | given))
