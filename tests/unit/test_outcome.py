"""What is kept of one run is what the run says, and a failing arm stops no other."""

import numpy as np
import pytest

import castsim
from castsim.cast import Cast
from castsim.ensembles.columns import CURVES, FOUND, Outcome
from castsim.ensembles.outcome import LOCAL_VEINS, curves, simulate
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import drawn_priors, drawn_scenario, draws
from castsim.ensembles.study import Study, load_arm
from castsim.errors import ScenarioError, SolverError, UnreachableError
from castsim.metrics import summarise
from castsim.venous_flow import AZYGOS_SYSTEM
from geometry.structures import Compartment, Structure

LARGEST_ML = 0.3


@pytest.fixture(scope="module")
def study() -> Study:
    arms = {
        "as planned": load_arm("right-t9"),
        # a vein that these patients do not have
        "impossible": load_arm(
            "right-t9", ["tip.structure=intersegmental", "patient.intersegmental_probability=0.0"]
        ),
        "other agent": load_arm("right-t9", ['agent="PHIL 25"']),
    }
    return Study(arms, bundled_priors(), largest_mL=LARGEST_ML)


@pytest.fixture(scope="module")
def outcomes(study: Study) -> list[Outcome]:
    return simulate(study, draws(study, 1, 2)[0])


@pytest.fixture(scope="module")
def cast(study: Study) -> Cast:
    """The run of the first arm, by hand."""
    arm = study.arms["as planned"]
    draw = draws(study, 1, 2)[0]
    scenario, _ = drawn_scenario(arm, drawn_priors(arm, study.priors), draw, LARGEST_ML)
    return castsim.run(scenario)


def test_an_arm_that_cannot_be_reached_says_why_and_stops_no_other(outcomes: list[Outcome]) -> None:
    assert [one.arm for one in outcomes] == ["as planned", "impossible", "other agent"]
    assert [bool(one.error) for one in outcomes] == [False, True, False]
    assert [one.unreachable for one in outcomes] == [False, True, False]
    assert outcomes[1].error.startswith(
        "UnreachableError: right-t9: tip: no intersegmental T9 right"
    )
    assert outcomes[1].patient_seed == outcomes[0].patient_seed
    assert not outcomes[1].curves


@pytest.mark.parametrize(
    ("error", "unreachable"),
    [
        (UnreachableError("no way to the tip"), True),
        (ScenarioError("upstream pressure too low"), False),
        (SolverError("no balance"), False),
        (ZeroDivisionError("0/0"), False),
    ],
)
def test_what_a_patient_lacks_is_no_failure(
    error: Exception, unreachable: bool, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object) -> Cast:
        raise error

    monkeypatch.setattr("castsim.ensembles.outcome.run", run)
    for one in simulate(study, draws(study, 1, 2)[0]):
        assert one.error == f"{type(error).__name__}: {error}"
        assert one.unreachable is unreachable
        assert one.inputs


def test_arms_share_the_patient(outcomes: list[Outcome]) -> None:
    planned, _, other = outcomes
    assert planned.found == other.found
    assert planned.coverable_deg == other.coverable_deg
    assert not np.array_equal(planned.curves["coverage_deg"], other.curves["coverage_deg"])


def test_numbers_are_those_of_the_run(outcomes: list[Outcome], cast: Cast) -> None:
    kept, report = outcomes[0], summarise(cast)
    assert kept.injected_mL == report["injected_mL"]
    assert kept.coverable_deg == report["coverage"]["coverable_deg"]  # type: ignore[index]
    assert kept.volume_balance_error == report["volume_balance_error"]
    assert kept.max_tip_pressure_mmHg == report["tip_pressure_mmHg"]["max"]  # type: ignore[index]
    assert kept.volume_balance_error <= 1e-9


def test_curves_are_those_of_the_cast(outcomes: list[Outcome], cast: Cast, study: Study) -> None:
    kept = outcomes[0].curves
    assert set(kept) == set(CURVES)
    flow = cast.mesh.flow
    foraminal = flow.cell_structure == Structure.FORAMINAL
    for k, volume in enumerate(study.volumes_mL() * 1000.0):
        share = cast.saturation_at(float(volume))
        held = float((share * flow.cell_volume)[foraminal].sum()) / 1000.0
        assert kept["foraminal_mL"][k] == pytest.approx(held, rel=1e-6)
        assert kept["coverage_deg"][k] == pytest.approx(cast.coverage_at(float(volume)), rel=1e-6)
    # at other levels: what local veins hold, less what those of the root itself do
    local = np.isin(flow.cell_structure, LOCAL_VEINS)
    own = local & (flow.cell_level == cast.scenario.target.root)
    held = (cast.saturation_at(cast.injected) * flow.cell_volume)[local].sum()
    mine = (cast.saturation_at(cast.injected) * flow.cell_volume)[own].sum()
    assert mine > 0.0
    assert kept["adjacent_mL"][-1] == pytest.approx((held - mine) / 1000.0, rel=1e-3, abs=1e-6)
    azygos = cast.log_at("azygos", study.volumes_mL() * 1000.0) / 1000.0
    assert kept["azygos_mL"] == pytest.approx(azygos, rel=1e-6)


def test_curves_stay_as_they_are_after_the_end(cast: Cast) -> None:
    end = cast.injected
    beyond = curves(cast, np.array([end, 1.5 * end, 10.0 * end]))
    for name, values in beyond.items():
        assert (values == values[0]).all(), name


def test_what_was_found_is_of_the_target(outcomes: list[Outcome], cast: Cast) -> None:
    found = outcomes[0].found
    assert set(found) == set(FOUND)
    flow = cast.mesh.flow
    here = (
        (flow.cell_structure == Structure.FORAMINAL)
        & (flow.cell_level == cast.scenario.target.root)
        & (flow.cell_side == cast.scenario.target.side_code)
    )
    calibre = 2.0 * np.sqrt(flow.cell_radius * flow.cell_radius_minor)[here]
    assert found["foraminal_calibre_mm"] == pytest.approx(calibre.mean())
    assert calibre.min() < found["foraminal_calibre_mm"] < calibre.max()
    assert found["intersegmental_links"] in (0.0, 1.0, 2.0)
    assert 0.0 < found["segmental_flow_mL_min"] < 30.0


def test_the_same_draw_is_the_same_outcome(study: Study, outcomes: list[Outcome]) -> None:
    (again,) = [one for one in simulate(study, draws(study, 0, 3)[1]) if one.arm == "as planned"]
    assert again.inputs == outcomes[0].inputs
    for name in CURVES:
        assert np.array_equal(again.curves[name], outcomes[0].curves[name])


def test_how_far_agent_reached_is_that_of_the_cast(
    outcomes: list[Outcome], cast: Cast, study: Study
) -> None:
    """Distances by looking at every cell that had been reached."""
    flow, target = cast.mesh.flow, cast.scenario.target
    here = (flow.cell_level == target.root) & (flow.cell_side == target.side_code)
    foramen = flow.cell_centroid[here & (flow.cell_structure == Structure.FORAMINAL)]
    away = np.linalg.norm(flow.cell_centroid[:, None] - foramen[None], axis=2).min(axis=1)
    epidural = cast.in_compartment(Compartment.EPIDURAL)
    other = np.isin(flow.cell_structure, LOCAL_VEINS) & (flow.cell_level != target.root)
    segmental = here & np.isin(flow.cell_structure, LOCAL_VEINS[1:])
    levels = np.abs(flow.cell_level - target.root)
    kept = outcomes[0].curves
    for k, volume in enumerate(study.volumes_mL() * 1000.0):
        reached = cast.first_volume <= volume
        for name, cells, distance in (
            ("epidural_reach_mm", epidural, away),
            ("segmental_reach_mm", segmental, away),
            ("adjacent_levels", other, levels),
        ):
            farthest = distance[reached & cells].max(initial=0.0)
            assert kept[name][k] == pytest.approx(farthest, rel=1e-6), name
    assert kept["epidural_reach_mm"][-1] + kept["segmental_reach_mm"][-1] > 0.0


def test_agent_beyond_the_tip_is_all_that_is_neither_beside_the_catheter_nor_in_the_azygos(
    outcomes: list[Outcome], cast: Cast
) -> None:
    flow, content = cast.mesh.flow, cast.saturation * cast.mesh.flow.cell_volume
    beside = np.isin(np.arange(flow.n_cells), cast.mesh.route_cells[1:])
    azygos = np.isin(flow.cell_structure, AZYGOS_SYSTEM)
    beyond = float(content[~beside & ~azygos].sum()) / 1000.0
    assert outcomes[0].curves["beyond_tip_mL"][-1] == pytest.approx(beyond, rel=1e-6)
    assert beyond < float(content.sum()) / 1000.0
    basivertebral = float(content[flow.cell_structure == Structure.BASIVERTEBRAL].sum()) / 1000.0
    assert outcomes[0].curves["basivertebral_mL"][-1] == pytest.approx(basivertebral, rel=1e-6)
