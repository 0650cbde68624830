"""Seeded faults of simulated fluoroscopy: rays, attenuation, noise, contrast medium and files."""

from tests.mutants.fault import Edit, Fault

UNIT = "tests/unit/"
RAYS_TEST = UNIT + "test_projection.py::"
IMAGE_TEST = UNIT + "test_fluoroscopy.py::"
CONTRAST_TEST = UNIT + "test_kernels_contrast.py::"
DICOM_TEST = UNIT + "test_fluoroscopy_dicom.py::"

CHORDS = "geometry/kernels/chords.py"
PROJECTION = "geometry/projection.py"
PIECES = "geometry/tube_pieces.py"
POINTS = "geometry/lumen_points.py"
NODES = "geometry/kernels/lumen.py"
SHADOWS = "geometry/kernels/shadows.py"
XRAY = "castsim/xray.py"
FLUOROSCOPY = "castsim/fluoroscopy.py"
CONTRAST = "castsim/kernels/contrast.py"
DICOM = "castsim/fluoroscopy_dicom.py"


def seeded(name: str, file: str, old: str, new: str, *tests: str) -> Fault:
    """A fault of one edit, whose tests need compiled kernels."""
    return Fault(f"fluoroscopy: {name}", (Edit(file, old, new),), tests, compiled=True)


FLUOROSCOPY_FAULTS = (
    seeded(
        "what two bones share counts twice",
        CHORDS,
        "total += last[k] - max(first[k], end)",
        "total += last[k] - first[k]",
        RAYS_TEST + "test_what_two_solids_share_in_part_counts_once",
    ),
    seeded(
        "the back of a body is as round as its front",
        CHORDS,
        "back, back_end = _quartic(x, dx, y, dy, back, back_end)",
        "back, back_end = _round("
        "dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - 1.0, back, back_end)",
        RAYS_TEST + "test_bones_are_as_thick_as_a_slow_march_says",
    ),
    seeded(
        "laminae have no canal",
        CHORDS,
        "if hole >= hole_end:",
        "if hole >= hole_end or low < high:",
        RAYS_TEST + "test_bones_are_as_thick_as_a_slow_march_says",
    ),
    seeded(
        "pieces of a bent catheter are cut square",
        PIECES,
        "-joint[1:])",
        "-unit)",
        RAYS_TEST + "test_a_bent_tube_neither_gapes_nor_overlaps",
    ),
    seeded(
        "right and left are exchanged",
        PROJECTION,
        "return np.cross([0.0, 0.0, 1.0], self.towards_detector)",
        "return -np.cross([0.0, 0.0, 1.0], self.towards_detector)",
        RAYS_TEST + "test_the_patients_right_is_on_the_left_of_a_frontal_image",
    ),
    seeded(
        "the detector goes the other way round",
        PROJECTION,
        "return np.array([-np.sin(angle), np.cos(angle), 0.0])",
        "return np.array([np.sin(angle), np.cos(angle), 0.0])",
        RAYS_TEST + "test_the_detector_of_lao_30_lies_to_the_patients_left",
    ),
    seeded(
        "thin veins gain mass as they are widened",
        POINTS,
        "volume=step**3 * thinned[own] * share",
        "volume=step**3 * share",
        RAYS_TEST + "test_points_stand_for_the_volume_of_the_vein",
    ),
    seeded(
        "where two veins cross, agent counts twice",
        NODES,
        "if here < least[node]:",
        "if here < band:",
        RAYS_TEST + "test_only_veins_that_are_wanted_are_filled_and_the_others_bound_them",
    ),
    seeded(
        "shadows are as large as what casts them",
        SHADOWS,
        "half = size[k] * scale / pitch",
        "half = size[k] / pitch",
        RAYS_TEST + "test_a_vein_has_the_lengths_of_a_tube_with_round_ends",
    ),
    seeded(
        "what the veins' shape and the cells differ by is lost",
        FLUOROSCOPY,
        "held *= whole / float(held.sum())",
        "held *= 1.0",
        IMAGE_TEST + "test_the_shape_is_weighed_by_what_the_cells_hold",
    ),
    seeded(
        "layers in cubes are spread over the section",
        FLUOROSCOPY,
        "held = cubes.at(points.xyz, held)",
        "held = 1.0 * held",
        UNIT + "test_stored_cast.py::test_agent_lies_where_its_cubes_are",
    ),
    seeded(
        "a catheter keeps its kinks",
        "geometry/catheter_course.py",
        "while bend_radius(smooth) < least_radius_mm",
        "while bend_radius(smooth) < 0.0",
        UNIT + "test_catheter_course.py::test_a_corner_is_rounded_as_far_as_need_be",
    ),
    seeded(
        "agent goes through the catheter's wall",
        FLUOROSCOPY,
        "dense = added * (1.0 - taken**2)",
        "dense = added",
        IMAGE_TEST + "test_what_lies_about_a_catheter_is_a_part_of_the_lumen",
    ),
    seeded(
        "tantalum in mg/mL is taken for per cent",
        XRAY,
        'return number(row, "value", table="embolic_agents") / _PERCENT',
        'return number(row, "value", table="embolic_agents") / _MG_PER_G',
        IMAGE_TEST + "test_the_table_gives_what_handbooks_give",
    ),
    seeded(
        "attenuation is linear",
        FLUOROSCOPY,
        "gaussian_filter(output * np.exp(-path), spot",
        "gaussian_filter(output / (1.0 + path), spot",
        IMAGE_TEST + "test_3_mm_of_onyx_let_through_what_beer_and_lambert_say",
    ),
    seeded(
        "photons make no noise",
        FLUOROSCOPY,
        "counted = noise.poisson(passed).astype(float)",
        "counted = passed",
        IMAGE_TEST + "test_noise_is_that_of_the_photons_counted",
    ),
    seeded(
        "the screen does not blur",
        FLUOROSCOPY,
        'return np.asarray(gaussian_filter(counted, screen, mode="nearest"))',
        "return np.asarray(counted)",
        IMAGE_TEST + "test_the_screen_blurs_noise_too",
    ),
    seeded(
        "mask and live have the same noise",
        FLUOROSCOPY,
        "noise = np.random.default_rng(self._seeds.spawn(1)[0])",
        "noise = np.random.default_rng(self._seeds)",
        IMAGE_TEST + "test_what_attenuates_more_has_more_signal_and_every_shot_its_noise",
    ),
    seeded(
        "white is exchanged with black",
        FLUOROSCOPY,
        "return _log_ratio(mask, live)",
        "return _log_ratio(live, mask)",
        IMAGE_TEST + "test_what_attenuates_more_has_more_signal_and_every_shot_its_noise",
    ),
    seeded(
        "contrast medium goes against the blood",
        CONTRAST,
        "up = owner[f] if flow[f] > 0.0 else neighbour[f]",
        "up = neighbour[f] if flow[f] > 0.0 else owner[f]",
        CONTRAST_TEST + "test_every_step_is_that_of_a_dense_solve",
    ),
    seeded(
        "contrast medium stays where it came",
        CONTRAST,
        "share[i] = comes / (held + leaving[i])",
        "share[i] = comes / held",
        CONTRAST_TEST + "test_in_a_tube_the_front_moves_with_the_blood",
        CONTRAST_TEST + "test_every_step_is_that_of_a_dense_solve",
    ),
    seeded(
        "DICOM measures at the detector",
        DICOM,
        "_number(beam.pitch_mm / beam.magnification)",
        "_number(beam.pitch_mm)",
        DICOM_TEST + "test_the_geometry_is_that_of_the_beam",
    ),
    seeded(
        "DICOM has more X-rays where there are fewer",
        DICOM,
        "values = np.rint(one * np.exp(-image.signal))",
        "values = np.rint(one * np.exp(image.signal))",
        DICOM_TEST + "test_pixels_are_proportional_to_x_rays",
    ),
)
