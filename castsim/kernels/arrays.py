"""The arrays that the kernels share, one line of meaning, shape and unit each.

Terminals are faces too: face ``f >= n_inner`` leads from its owner cell to the virtual node
``n + (f - n_inner)``, which holds the terminal's pressure and is never full.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FlagArray = NDArray[np.uint8]


class Graph(NamedTuple):
    """What does not change during an injection."""

    owner: IntArray  # (m,) cell
    neighbour: IntArray  # (m,) cell, or n + terminal
    half_owner: FloatArray  # (m,) mm^-3, owner's part of the resistance, times its viscosity
    half_neighbour: FloatArray  # (m,) mm^-3, neighbour's part
    extra: FloatArray  # (m,) Pa s mm^-3, resistance outside the mesh (terminals), else 0
    leak: FloatArray  # (m,) mm3 s^-1 Pa^-1, most that a closed diode keeps, so that nothing floats
    blood_conductance: FloatArray  # (m,) mm3 s^-1 Pa^-1 with blood at both ends
    valve: IntArray  # (m,) +1 owner to neighbour only, -1 the other way, 0 none
    gate: IntArray  # (m,) gate, or -1: agent never enters
    face_weight: FloatArray  # (m,) Pa, (rho_a - rho_b) g.x at the face
    cell_weight: FloatArray  # (n,) Pa, the same at the cell
    volume: FloatArray  # (n,) mm3
    gel_radius: FloatArray  # (n,) mm, R of the gel number: lumen radius, or half an annulus
    annular: FlagArray  # (n,) 1 where a catheter fills the middle
    blood_viscosity: FloatArray  # (n,) Pa s
    rest_flow: FloatArray  # (n,) mm3/s of blood through the cell's section at rest
    section: IntArray  # (n,) of the vein that the cell is all or part of, 0 to n-1
    section_cells: IntArray  # (n,) how many cells each section has
    stream: IntArray  # (n,) cells whose inflow of agent counts as one against that of blood
    junction: FlagArray  # (n,) 1: more than two ways lead through the cell
    terminal_pressure: FloatArray  # (t,) Pa
    terminal_fixed: FlagArray  # (t,) 1: nothing but a trace of resistance between cell and pressure
    gate_radius: FloatArray  # (g,) mm
    gate_disorder: FloatArray  # (g,) xi, mean 1
    first: IntArray  # (n+1,) first entry of each cell in `around`
    around: IntArray  # (2 m_inner + t,) faces around each cell
    gate_first: IntArray  # (g+1,) first entry of each gate in `gate_faces`
    gate_faces: IntArray  # faces of each gate


class Agent(NamedTuple):
    """The liquid embolic, mm-s-g units."""

    viscosity: float  # Pa s
    diffusivity: float  # mm2/s
    swept_factor: float  # times diffusivity where blood renews the skin's water
    enclosed_factor: float  # times diffusivity where blood is enclosed
    onset: float  # s, contact to first skin
    skin_yield: float  # Pa
    wall_hold: float  # Pa, shear the gelled wall bears
    tension: float  # Pa mm
    healing_time: float  # s
    healing_travel: float  # of the gate's radius
    sweep_ratio: float  # resting blood flow over agent inflow that carries agent off


class State(NamedTuple):
    """What an injection changes, in place."""

    agent_volume: FloatArray  # (n,) mm3 of agent in the cell
    full: FlagArray  # (n,) 1: nothing but agent
    gel: FloatArray  # (n,) advected Fourier number F
    first_volume: FloatArray  # (n,) mm3 injected when agent first came; inf: never
    full_volume: FloatArray  # (n,) mm3 injected when the cell was full; inf: never
    first_time: FloatArray  # (n,) s; inf: never
    full_time: FloatArray  # (n,) s; inf: never
    swept: FloatArray  # (n,) mm3 carried off by blood on entering the cell
    first_swept: FloatArray  # (n,) mm3 injected when that began; inf: never
    torn: FloatArray  # (n,) mm3 broken off from the cell
    terminal_out: FloatArray  # (t,) mm3 of agent that left through the terminal
    reached: FlagArray  # (g,) 1: agent has touched the gate
    broken: FlagArray  # (g,) 1: open, free of threshold
    age: FloatArray  # (g,) s since contact, breaking or healing
    skin: FloatArray  # (g,) mm2, integral of D over the age beyond the onset
    moved: FloatArray  # (g,) mm the front has moved in the present healing window
    window: FloatArray  # (g,) s of that window
    pressure: FloatArray  # (n,) Pa, reduced
    flow: FloatArray  # (m,) mm3/s, owner to neighbour
    diode: FlagArray  # (m,) 1: the valve or open front conducts
    fed: FlagArray  # (n,) 1: full and joined to the tip through open agent
    drains: FlagArray  # (n,) 1: not full, and its blood has a way out
    way: IntArray  # (n,) where it drains: the face by which it does


class Source(NamedTuple):
    """The catheter's tip as a Thevenin source."""

    tip: int  # cell
    hub_pressure: float  # Pa; ignored where `rate` is given
    resistance: float  # Pa s mm^-3
    rate: float  # mm3/s that an incompliant syringe forces, NaN: hub pressure is given
    limit: float  # Pa, largest hub pressure
