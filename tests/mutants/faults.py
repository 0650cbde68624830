"""The seeded faults: what is changed, and the tests that ought to notice.

Each `old` text must stand in its file exactly once. The tests are those of the subject, not the
whole suite: so that only what they need is compiled, and the table shows who is on guard.
"""

from dataclasses import dataclass

VERIFICATION = "tests/verification/"
TUBE = VERIFICATION + "test_tube.py"
WEIGHT = VERIFICATION + "test_weight.py"
SECTIONS = VERIFICATION + "test_lumen_resistance.py"
NETWORKS = VERIFICATION + "test_networks.py"
GATES = VERIFICATION + "test_gates.py"
GEL = VERIFICATION + "test_solidification.py"
HUB = VERIFICATION + "test_hub.py"
SWEEPING = VERIFICATION + "test_sweeping.py"
GIVING_WAY = VERIFICATION + "test_giving_way.py"
VALVES = VERIFICATION + "test_valves.py"
KRON = VERIFICATION + "test_kron_reduction.py"
CONVERGENCE = VERIFICATION + "test_convergence.py"

LAWS = "castsim/kernels/laws.py"
SOLIDIFICATION = "castsim/kernels/solidification.py"
DETACHMENT = "castsim/kernels/detachment.py"
ASSEMBLY = "castsim/assembly.py"
INJECTION = "castsim/injection.py"
FAR_FIELD = "castsim/far_field.py"


@dataclass(frozen=True)
class Edit:
    """`old` becomes `new` in `file`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """One fault: mostly one edit."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def fault(name: str, file: str, old: str, new: str, *tests: str) -> Fault:
    """A fault of one edit."""
    return Fault(name, (Edit(file, old, new),), tests)


FAULTS = (
    # --- laws
    fault(
        "shell law squared",
        LAWS,
        "SKIN_FACTOR * math.sqrt(gel) + SHELL_TAIL * (gel / GEL_NUMBER) ** 6)",
        "(SKIN_FACTOR * math.sqrt(gel) + SHELL_TAIL * (gel / GEL_NUMBER) ** 6) ** 2)",
        GEL + "::test_shell_law",
        GEL + "::test_core_mobility",
    ),
    fault(
        "open core carries flow by its area, not its fourth power",
        LAWS,
        "return open_part**4",
        "return open_part**2",
        GEL + "::test_core_mobility",
    ),
    fault(
        "gap with shells taken as a tube",
        LAWS,
        "return open_part**3",
        "return open_part**4",
        GEL + "::test_core_mobility",
    ),
    fault(
        "disorder of the gates ignored",
        LAWS,
        "skin_thickness(radius, skin)) * disorder",
        "skin_thickness(radius, skin))",
        GATES,
    ),
    fault(
        "front taken as a cylinder: sigma / r",
        LAWS,
        "return 2.0 / radius *",
        "return 1.0 / radius *",
        GATES,
    ),
    fault(
        "skin thicker than its vein",
        LAWS,
        "return min(radius, SKIN_FACTOR * math.sqrt(skin))",
        "return SKIN_FACTOR * math.sqrt(skin)",
        GATES,
    ),
    # --- ageing
    fault(
        "onset time of the skin ignored",
        SOLIDIFICATION,
        "growing = min(dt, max(0.0, older - agent.onset))",
        "growing = dt",
        GATES,
    ),
    fault(
        "healing off",
        SOLIDIFICATION,
        "if moved[g] < agent.healing_travel * gate_radius[g]:",
        "if moved[g] < 0.0:",
        GATES,
    ),
    fault(
        "a front that moves heals too",
        SOLIDIFICATION,
        "if moved[g] < agent.healing_travel * gate_radius[g]:",
        "if moved[g] >= 0.0:",
        GATES,
    ),
    fault(
        "skin where blood sweeps grows as elsewhere",
        SOLIDIFICATION,
        """:
        return agent.diffusivity * agent.swept_factor
    return agent.diffusivity
""",
        """:
        return agent.diffusivity
    return agent.diffusivity
""",
        GATES,
    ),
    fault(
        "skin on enclosed blood grows as elsewhere",
        SOLIDIFICATION,
        "return agent.diffusivity * agent.enclosed_factor",
        "return agent.diffusivity",
        GATES,
    ),
    fault(
        "gel number not carried along with the flow",
        SOLIDIFICATION,
        "settled = upstream + growth / renewal",
        "settled = growth / renewal",
        GEL,
    ),
    fault(
        "gel of a filling cell lags behind its front",
        SOLIDIFICATION,
        "front = max(front, upstream)",
        "front = max(front, 0.5 * upstream)",
        GEL,
    ),
    fault(
        "agent at rest does not gel",
        SOLIDIFICATION,
        "gel[c] += agent.diffusivity / gel_radius[c] ** 2 * dt",
        "gel[c] += 0.0 * dt",
        GEL,
    ),
    # --- assembly
    fault(
        "sign of buoyancy",
        ASSEMBLY,
        "contrast = agent.density - blood_density",
        "contrast = blood_density - agent.density",
        WEIGHT,
        GIVING_WAY,
    ),
    fault(
        "weight of half a cell forgotten at the faces",
        ASSEMBLY,
        "[contrast * (mesh.face_centroid @ g), cell_weight[mesh.terminal_cell]]",
        "[cell_weight[mesh.face_owner], cell_weight[mesh.terminal_cell]]",
        WEIGHT,
    ),
    fault(
        "blood's viscosity swapped between owner and neighbour",
        ASSEMBLY,
        """        mesh.half_resistance[:, 0] * viscosity[mesh.face_owner]
        + mesh.half_resistance[:, 1] * viscosity[mesh.face_neighbour]
""",
        """        mesh.half_resistance[:, 0] * viscosity[mesh.face_neighbour]
        + mesh.half_resistance[:, 1] * viscosity[mesh.face_owner]
""",
        NETWORKS,
        TUBE,
    ),
    fault(
        "ellipse gels as its larger circle",
        ASSEMBLY,
        "(mesh.cell_radius**-2.0 + mesh.cell_radius_minor**-2.0)",
        "(mesh.cell_radius**-2.0 + mesh.cell_radius**-2.0)",
        GEL,
    ),
    fault(
        "annulus gels across its whole gap",
        ASSEMBLY,
        "0.5 * mesh.cell_gap, lumen)",
        "mesh.cell_gap, lumen)",
        GEL,
    ),
    fault(
        "blood pressure at the ends ignored",
        ASSEMBLY,
        "terminal_pressure=np.array(mesh.terminal_pressure)",
        "terminal_pressure=0.0 * mesh.terminal_pressure",
        HUB,
        VALVES,
        SWEEPING,
    ),
    fault(
        "disorder keyed to the gate's number, not its place",
        ASSEMBLY,
        "mesh.gate_branch, mesh.gate_stretch, seed=seed",
        "np.arange(mesh.n_gates), np.zeros(mesh.n_gates, dtype=np.int64), seed=seed",
        GATES,
        CONVERGENCE + "::test_order_in_cell_length_with_thresholds",
    ),
    fault(
        "sweeping off",
        ASSEMBLY,
        "sweep_ratio=agent.sweep_ratio",
        "sweep_ratio=1e300",
        SWEEPING,
    ),
    # --- bodies that give way
    fault(
        "gelled wall holds nothing against blood",
        DETACHMENT,
        "return sides / graph.gel_radius[cell] * agent.wall_hold * part * length",
        "return 0.0 * sides * part * length",
        SWEEPING,
        GIVING_WAY,
    ),
    fault(
        "plug round the catheter held by one wall only",
        DETACHMENT,
        "sides = 1.0 if annular else 2.0",
        "sides = 0.5 if annular else 2.0",
        GIVING_WAY,
    ),
    fault(
        "a torn body takes its shell along",
        DETACHMENT,
        "open_part = 1.0 - shell_fraction(state.gel[cell], graph.annular[cell] == 1)",
        "open_part = 1.0",
        SWEEPING,
    ),
    fault(
        "a body is lifted by blood without its weight",
        DETACHMENT,
        "p -= max(0.0, graph.cell_weight[c] - graph.cell_weight[far])",
        "p -= 0.0",
        GIVING_WAY,
    ),
    # --- the operator
    fault(
        "dead space dropped",
        INJECTION,
        "self.time = source.dead_space / protocol.first_rate",
        "self.time = 0.0",
        HUB,
    ),
    fault(
        "hub compliance ignored",
        INJECTION,
        "compliance=self.source.compliance,",
        "compliance=0.0,",
        HUB,
    ),
    # --- far field
    fault(
        "Kron hold dropped",
        FAR_FIELD,
        "hold[port] += held_by.sum()",
        "hold[port] += 0.0 * held_by.sum()",
        KRON,
    ),
    fault(
        "far-field port lost",
        FAR_FIELD,
        "first, second, strength = first[linked], second[linked], strength[linked]",
        "first, second, strength = (v[linked & (second > 0) & (first > 0)] "
        "for v in (first, second, strength))",
        KRON,
    ),
)
