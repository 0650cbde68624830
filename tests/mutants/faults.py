"""The seeded faults: what is changed, and the tests that ought to notice.

Each `old` text must stand in its file exactly once. The tests are those of the subject, not the
whole suite: so that only what they need is compiled, and the table shows who is on guard.
"""

from tests.mutants.fault import Edit, Fault, fault
from tests.mutants.fluoroscopy_faults import FLUOROSCOPY_FAULTS
from tests.mutants.plan_faults import PLAN_FAULTS
from tests.mutants.voxel_faults import VOXEL_FAULTS

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
BALANCE = VERIFICATION + "test_balance.py"
SEARCH = VERIFICATION + "test_percolation.py::test_order_is_that_of_a_plain_search"
TIES = VERIFICATION + "test_percolation.py::test_ties_go_to_the_lower_gate_then_the_lower_face"
REGION_TEST = "tests/unit/test_kernels_region.py"

LAWS = "castsim/kernels/laws.py"
SOLIDIFICATION = "castsim/kernels/solidification.py"
DETACHMENT = "castsim/kernels/detachment.py"
ASSEMBLY = "castsim/assembly.py"
INJECTION = "castsim/injection.py"
QUASISTATIC = "castsim/quasistatic.py"
QUASISTATIC_KERNEL = "castsim/kernels/quasistatic.py"
HEAP = "castsim/kernels/heap.py"
FAR_FIELD = "castsim/far_field.py"
PRESSURE = "castsim/kernels/pressure.py"
CONNECTIVITY = "castsim/kernels/connectivity.py"
FILLING = "castsim/kernels/filling.py"
ELIMINATION = "castsim/kernels/elimination.py"
REGION = "castsim/kernels/region.py"
BLOOD = "castsim/kernels/blood.py"
LUMEN = "geometry/branch_sections.py"


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
        "own = agent.swept_factor",
        "own = 1.0",
        GATES,
    ),
    fault(
        "skin on enclosed blood grows as elsewhere",
        SOLIDIFICATION,
        "own = agent.enclosed_factor",
        "own = 1.0",
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
        "mesh.gate_key, mesh.gate_stretch, seed=seed",
        "np.arange(mesh.n_gates), np.zeros(mesh.n_gates, dtype=np.int64), seed=seed",
        GATES,
        KRON,
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
        "return sides / radius * strength * part * length",
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
        "p -= max(0.0, cell_weight[c] - cell_weight[far])",
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
        "                self.source.compliance,\n",
        "                0.0,\n",
        HUB,
    ),
    Fault(
        "agent lost as cells fill, and the balance closed by clipping",
        (
            Edit(
                FILLING,
                "                agent_volume[cell] += rate * step\n",
                "                agent_volume[cell] += 0.999 * rate * step\n",
            ),
            Edit(
                INJECTION,
                "missing = self.injected - self.cast - self.embolised - self.terminal",
                "missing = 0.0",
            ),
        ),
        (BALANCE, TUBE),
    ),
    fault(
        "a broken balance passes",
        INJECTION,
        "if injection.balance_error > BALANCE_BOUND:",
        "if False:",
        BALANCE,
    ),
    fault(
        "solvent left in the catheter not told to the syringe",
        INJECTION,
        "syringe = 2.0 * self.source.dead_space",
        "syringe = 1.0 * self.source.dead_space",
        HUB,
        BALANCE,
    ),
    # --- the solve
    Fault(
        "agent's viscosity swapped between owner and neighbour",
        (
            Edit(
                PRESSURE,
                "resistance = half_owner[f] * mu + extra[f]",
                "resistance = half_neighbour[f] * mu + extra[f]",
            ),
            Edit(
                PRESSURE, "resistance += half_neighbour[f] * mu", "resistance += half_owner[f] * mu"
            ),
        ),
        (TUBE, NETWORKS),
    ),
    fault(
        "valve reversed for blood",
        PRESSURE,
        "out_direction[f] = valve[f]",
        "out_direction[f] = -valve[f]",
        VALVES,
    ),
    fault(
        "a front passes a valve the wrong way",
        PRESSURE,
        "if front != 0 and valve[f] != 0 and valve[f] != front:",
        "if False:",
        VALVES,
    ),
    fault(
        "valve reversed for what drains",
        CONNECTIVITY,
        "            # blood would go from far to cell\n"
        "            towards = 1 if owner[f] == far else -1\n",
        "            towards = -1 if owner[f] == far else 1\n",
        VALVES,
    ),
    fault(
        "trapping off",
        CONNECTIVITY,
        "    drains[:] = 0\n    count = 0\n    n = len(full)\n    n_faces",
        "    drains[:] = 1 - full\n    count = 0\n    n = len(full)\n    n_faces",
        VALVES,
        GATES,
        NETWORKS,
    ),
    fault(
        "solid gel lets agent through",
        LAWS,
        "if gel >= solid_number(annular):\n        return 0.0",
        "if gel >= solid_number(annular):\n        return 1e-3",
        GEL,
    ),
    fault(
        "a terminal that lets blood into agent",
        PRESSURE,
        "out_role[f] = 1 if broken[gate[f]] == 1 else HELD",
        "out_role[f] = (1 if broken[gate[f]] == 1 else HELD) if inner else 0",
        SWEEPING,
        VALVES,
    ),
    fault(
        "diodes never shut",
        PRESSURE,
        "if diode[f] == 1 and push < -tolerance:",
        "if False:",
        SWEEPING,
        VALVES,
        NETWORKS,
    ),
    fault(
        "ties broken by index",
        PRESSURE,
        "(burst, g) < (best_burst, best)",
        "g < best",
        GATES,
    ),
    fault(
        "gates hold nothing",
        PRESSURE,
        "out_role[f] = 1 if broken[gate[f]] == 1 else HELD",
        "out_role[f] = 1",
        GATES,
    ),
    fault(
        "agent at rest breaks its gates",
        PRESSURE,
        "if gate < 0 or not can_follow(source, needed):",
        "if gate < 0:",
        GATES,
    ),
    fault(
        "a given rate breaks gates that the hub cannot",
        PRESSURE,
        "source.rate > 0.0 and source.limit > needed",
        "source.rate > 0.0",
        GATES,
    ),
    fault(
        "pressure limit of the hub ignored",
        PRESSURE,
        "hub = min(hub, source.limit)",
        "hub = max(hub, 0.0)",
        HUB,
        GATES,
        TUBE,
    ),
    fault(
        "agent divides evenly, not by its flows",
        FILLING,
        "far, rate * q / out",
        "far, rate * 0.5",
        NETWORKS,
        TUBE,
    ),
    fault(
        "a dam is not noticed",
        FILLING,
        "if held or out <= 0.0 or through - rate * inflow > inflow:",
        "if held or out <= 0.0:",
        NETWORKS,
        GATES,
        VALVES,
        SWEEPING,
    ),
    # --- the mesh
    fault(
        "one gate a face",
        LUMEN,
        "if stretch != last_stretch:",
        "if True:",
        GATES,
    ),
    fault(
        "ellipse taken as a circle of its larger axis",
        LUMEN,
        "return 4 * (a**2 + b**2) / (np.pi * (a * b) ** 3)",
        "return 8 / (np.pi * a**4) + 0 * b",
        SECTIONS,
    ),
    fault(
        "annulus without its logarithm",
        LUMEN,
        "(difference * (outer**2 + inner**2) - difference**2 / np.log(outer / inner))",
        "(difference * (outer**2 + inner**2) - difference**2)",
        SECTIONS,
    ),
    # --- far field
    fault(
        "Kron hold dropped",
        FAR_FIELD,
        "held = np.flatnonzero(hold > NEGLIGIBLE * own)",
        "held = np.flatnonzero(hold > NEGLIGIBLE * own)[:1]",
        KRON,
    ),
    fault(
        "far-field port lost",
        FAR_FIELD,
        "linked = coupling.strength > NEGLIGIBLE * weaker",
        "linked = (coupling.strength > NEGLIGIBLE * weaker) & (coupling.first > 0)",
        KRON,
    ),
    fault(
        "pressures of the far field measured from zero",
        FAR_FIELD,
        "pressure = base + np.divide(",
        "pressure = np.divide(",
        KRON,
    ),
    fault(
        "shut valves of the far field conduct",
        FAR_FIELD,
        "np.where(rest.valve_open, face_conductance(mesh, rest.viscosity), 0.0)",
        "face_conductance(mesh, rest.viscosity)",
        KRON,
    ),
    fault(
        "hold of an eliminated cell not handed on",
        ELIMINATION,
        "hold[row[a]] += share * held",
        "hold[row[a]] += 0.5 * share * held",
        KRON,
    ),
    fault(
        "share of a shut-in cell over its inverse, 0/0",
        REGION,
        "if inside[k] == 1 or inverse[k] == 0.0:",
        "if inside[k] == 1:",
        REGION_TEST,
    ),
    fault(
        "viscosity of resting blood swapped between owner and neighbour",
        BLOOD,
        "viscosity[owner[f]] * half[f, 0] + viscosity[neighbour[f]] * half[f, 1]",
        "viscosity[neighbour[f]] * half[f, 0] + viscosity[owner[f]] * half[f, 1]",
        TUBE,
    ),
    # --- the part of the matrix that agent has changed
    fault(
        "pressures beyond the region stay as they were at rest",
        REGION,
        "NEEDED_RINGS = 2",
        "NEEDED_RINGS = 0",
        NETWORKS,
        HUB,
        GATES,
        REGION_TEST,
    ),
    fault(
        "flows beyond the region are those of an earlier solve",
        REGION,
        "if region.ring[cell] >= 1:",
        "if region.ring[cell] >= -1:",
        REGION_TEST,
    ),
    fault(
        "ways out are not looked for anew after a tear",
        "castsim/kernels/step.py",
        "follow_blood(graph, state, work, torn > 0.0)",
        "follow_blood(graph, state, work, False)",
        REGION_TEST,
        SWEEPING,
    ),
    # --- invasion percolation
    Fault(
        "quasi-static: trapping off",
        (
            Edit(QUASISTATIC, "blood = _ways(mesh) if trapping else None", "blood = None"),
            Edit(QUASISTATIC, "    if trapping:\n", "    if False:\n"),
        ),
        (SEARCH,),
        compiled=True,
    ),
    Fault(
        "quasi-static: blood passes valves the wrong way",
        (
            Edit(
                QUASISTATIC_KERNEL,
                "back = OUT if valve[f] <= 0 else 0",
                "back = OUT",
            ),
        ),
        (SEARCH,),
        compiled=True,
    ),
    Fault(
        "quasi-static: of equal gates the last goes first",
        (
            Edit(
                HEAP,
                "return bool(tie < other_tie)",
                "return bool(tie > other_tie)",
            ),
        ),
        (SEARCH, TIES),
        compiled=True,
    ),
    *PLAN_FAULTS,
    *FLUOROSCOPY_FAULTS,
    *VOXEL_FAULTS,
)
