"""A vein of cubes, for tests of what is near agent in it."""

import numpy as np

from castsim.agents import load_agent
from castsim.assembly import build_graph
from castsim.kernels.arrays import Graph
from castsim.near_field import Sections
from castsim.voxels import sections_of
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import voxel_mesh

BLOOD = 0.004
"""Viscosity, Pa s."""


def vein_of_cubes(length: float = 12.0) -> tuple[Graph, Sections, int]:
    """Onyx and blood in a vein of 0.8 mm in radius, with lines at its ends; and its first cube."""
    builder = NetworkBuilder()
    ends = builder.node([0.0, 0.0, 0.0]), builder.node([length, 0.0, 0.0])
    builder.branch(*ends, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=[0.8, 0.8])
    for end in ends:
        builder.terminal(end, TerminalKind.OUTLET, f"end {end}")
    network = builder.build()
    lines = centreline_mesh(network)
    mesh = voxel_mesh(network, lines, capsules_of(network), 0.4, [Level.T9], least_cubes=1.5)
    count, cells = lines.flow.n_cells, np.arange(mesh.flow.n_cells)
    sections = sections_of(mesh, cells, lines, np.full(count, BLOOD), np.zeros(count))
    graph = build_graph(
        mesh.flow, load_agent("Onyx 18"), blood_viscosity=BLOOD, blood_density=1.06e-3,
        gravity=np.zeros(3), section=sections.of, stream=sections.stream,
    )  # fmt: skip
    return graph, sections, int(mesh.n_lines)
