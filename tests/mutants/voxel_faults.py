"""Seeded faults in meshes of cubes, and in the pressures and fronts on them."""

from tests.mutants.fault import Fault, fault

VOXEL_MESH = "geometry/voxel_mesh.py"
VOXEL_GAPS = "geometry/voxel_gaps.py"
VEIN_WAYS = "geometry/vein_ways.py"
NEAR = "castsim/kernels/near.py"
GROUPING = "castsim/kernels/grouping.py"
MULTIGRID = "castsim/kernels/multigrid.py"
MESH_TEST = "tests/unit/test_voxel_mesh.py"
GAPS_TEST = "tests/unit/test_voxel_gaps.py"
WAYS_TEST = "tests/unit/test_vein_ways.py"
NEAR_TEST = "tests/unit/test_kernels_near.py"
MULTIGRID_TEST = "tests/unit/test_multigrid.py"

VOXEL_FAULTS: tuple[Fault, ...] = (
    fault(
        "cubes: a narrow vein between two of cubes is lost",
        VOXEL_GAPS,
        "faces = direct[~near.joins(*ends[:, direct])]",
        "faces = direct[:0]",
        MESH_TEST,
    ),
    fault(
        "cubes: a vein that stays a line is taken for a way round",
        VOXEL_GAPS,
        "near = _Near.of(lumens, cubed, line, asked, n)",
        "near = _Near.of(lumens, resolved, line, asked, n)",
        GAPS_TEST,
    ),
    fault(
        "cubes: no wall between veins that lie side by side",
        VOXEL_MESH,
        "most = REACH * radius[both].max(axis=0)",
        "most = 1e3 * radius[both].max(axis=0)",
        MESH_TEST,
    ),
    fault(
        "cubes: a wall between veins where they meet",
        VOXEL_MESH,
        "most = REACH * radius[both].max(axis=0)",
        "most = 0.0 * radius[both].max(axis=0)",
        MESH_TEST,
    ),
    fault(
        "cubes: a short vein between two takes no way",
        VEIN_WAYS,
        "way + self.between[place] <= most",
        "way <= most",
        WAYS_TEST,
    ),
    fault(
        "cubes: a vein that crosses another is cut in two",
        VOXEL_GAPS,
        "                cells.extend(own)",
        "                pass",
        MESH_TEST,
    ),
    fault(
        "cubes: a side branch opens into a single one",
        VOXEL_MESH,
        "kept = (aside <= radius[row]) & (mine.line[cube] == goal[row])",
        "kept = aside < 0.0",
        MESH_TEST,
    ),
    fault(
        "cubes: gates of the wider branch",
        VOXEL_MESH,
        "ours = np.where(veins.radius[mine.branch[i]] <= veins.radius[mine.branch[j]], i, j)",
        "ours = np.where(veins.radius[mine.branch[i]] > veins.radius[mine.branch[j]], i, j)",
        MESH_TEST,
    ),
    fault(
        "near agent: blood behind the ports holds nothing",
        NEAR,
        "            levels.hold[i] += region.port_hold[p]\n",
        "            levels.hold[i] += 0.0\n",
        NEAR_TEST,
    ),
    fault(
        "near agent: what a front turns aside is not counted",
        NEAR,
        "        turned[TURNED] += aside\n",
        "        turned[TURNED] += 0.0\n",
        NEAR_TEST,
    ),
    fault(
        "near agent: a diode that switches joins the cast to all else as before",
        NEAR,
        "        plan.body_image[j] -= more * uneven\n",
        "        plan.body_image[j] -= 0.0\n",
        NEAR_TEST,
    ),
    fault(
        "near agent: after a tear cells are grouped by the gel that was there",
        "castsim/near_field.py",
        "            self._solved[faces[faces < inner]] = False\n",
        "            self._solved[faces[:0]] = False\n",
        "tests/unit/test_near_field.py",
    ),
    fault(
        "multigrid: a link is changed at one of its ends",
        MULTIGRID,
        "            strengths[two] = strength\n",
        "            strengths[two] -= change\n",
        MULTIGRID_TEST,
    ),
    fault(
        "multigrid: cells are paired along any link",
        GROUPING,
        "            if total[d] * (0.5 / own[c] + 0.5 / own[d]) >= suiting:\n",
        "            if total[d] > 0.0:\n",
        MULTIGRID_TEST,
    ),
    fault(
        "multigrid: a body is not levelled",
        MULTIGRID,
        "        x[i] += change * body[i]\n",
        "        x[i] += 0.0 * body[i]\n",
        MULTIGRID_TEST,
    ),
)
