"""Draw k is the same whatever is asked around it, and its scenario says all of it."""

from pathlib import Path

import numpy as np
import pytest

from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import PAUSES, RATES, Draw, drawn_priors, drawn_scenario, draws
from castsim.ensembles.study import Study, all_different, arms_of, load_arm, vary
from castsim.errors import ScenarioError
from castsim.protocol import Pause, Step
from castsim.scenario_file import bundled_names, load_scenario, scenario_from

PLACE = """
[target]
level = "T9"
side = "right"
[tip]
structure = "foraminal"
level = "T9"
side = "right"
"""


def study(*overrides: str, scenario: str = "right-t9", seed: int = 0) -> Study:
    arm = load_scenario(scenario, overrides)
    return Study({scenario: arm}, bundled_priors(), seed=seed)


def drawn(one: Study, draw: Draw) -> tuple[object, dict[str, float]]:
    (arm,) = one.arms.values()
    return drawn_scenario(arm, drawn_priors(arm, one.priors), draw, one.largest_mL)


def test_draws_do_not_hang_on_where_one_begins() -> None:
    whole = draws(study(), 0, 70)
    for first, last in ((0, 1), (5, 9), (63, 66), (69, 70)):
        for one, same in zip(draws(study(), first, last), whole[first:last], strict=True):
            assert one.number == same.number
            assert np.array_equal(one.point, same.point)
            assert (one.patient_seed, one.gate_seed) == (same.patient_seed, same.gate_seed)


def test_points_fill_the_cube_evenly() -> None:
    points = np.array([draw.point for draw in draws(study(), 0, 64)])
    assert points.shape == (64, len(bundled_priors()))
    # a Sobol sequence puts one of 64 points into each 64th of every coordinate
    assert (np.sort(np.floor(points * 64).astype(int), axis=0) == np.arange(64)[:, None]).all()
    assert 0.0 < points.min() < points.max() < 1.0


def test_seeds_differ_between_draws_and_studies() -> None:
    seeds = {
        (draw.patient_seed, draw.gate_seed)
        for seed in (0, 1)
        for draw in draws(study(seed=seed), 0, 100)
    }
    assert len(seeds) == 200
    assert max(max(pair) for pair in seeds) < 2**63


def test_a_drawn_scenario_says_all_of_it() -> None:
    one = study()
    (draw,) = draws(one, 3, 4)
    scenario, inputs = drawn(one, draw)
    assert scenario.patient.anatomy == "drawn"
    assert scenario.patient.seed == draw.patient_seed
    assert scenario.seed == draw.gate_seed
    assert scenario.injection.volume_mL == one.largest_mL
    assert scenario.injection.rate_mL_min == pytest.approx(0.1 * inputs[RATES])
    for field, value in inputs.items():
        section, key = field.split(".")
        if field != RATES:
            assert getattr(getattr(scenario, section), key) == value, field
    again = scenario_from(scenario.model_dump(exclude_unset=True))
    assert again == scenario


def test_what_the_scenario_gives_is_known_and_not_drawn() -> None:
    one = study("patient.right_atrium_mmHg=6.0", "model.skin_yield_Pa=30000.0")
    scenario, inputs = drawn(one, draws(one, 0, 1)[0])
    assert scenario.patient.right_atrium_mmHg == 6.0
    assert scenario.model.skin_yield_Pa == 30000.0
    assert not {"patient.right_atrium_mmHg", "model.skin_yield_Pa"} & set(inputs)
    # and changes nothing else of the draw
    _, others = drawn(study(), draws(study(), 0, 1)[0])
    assert {key: others[key] for key in inputs} == inputs


def test_pauses_and_rates_scale_the_whole_protocol() -> None:
    one = study(scenario="right-t10-plug-and-push")
    (arm,) = one.arms.values()
    scenario, inputs = drawn(one, draws(one, 7, 8)[0])
    before, after = arm.injection.protocol().steps, scenario.injection.protocol().steps
    pairs = list(zip(before, after, strict=False))
    assert {type(step) for step in before} == {Step, Pause}
    for old, new in pairs[:-1]:
        if isinstance(old, Step):
            assert new.volume == pytest.approx(old.volume)
            assert new.rate == pytest.approx(old.rate * inputs[RATES])
        else:
            assert new.duration == pytest.approx(old.duration * inputs[PAUSES])
    assert scenario.injection.protocol().volume == pytest.approx(2000.0)


def test_pauses_are_drawn_only_where_there_are_some() -> None:
    fields = {
        name: {p.field for p in drawn_priors(load_scenario(name), bundled_priors()).values()}
        for name in bundled_names()
    }
    assert PAUSES in fields["right-t10-plug-and-push"]
    assert PAUSES not in fields["right-t9"]


def test_nothing_stops_a_draw_but_pauses_stay() -> None:
    rules = (
        'injection.rules=[{when="coverage", action="stop"}, '
        '{when="azygos_reflux", action="pause", pause_s=40.0}]'
    )
    scenario, inputs = drawn(study(rules), draws(study(), 0, 1)[0])
    (rule,) = scenario.injection.rules
    assert rule.when == "azygos_reflux"
    assert rule.pause_s == pytest.approx(40.0 * inputs[PAUSES])


def test_agents_share_the_patients_but_not_the_numbers() -> None:
    onyx, phil = study(), study('agent="PHIL 25"')
    draw = draws(onyx, 0, 1)[0]
    (_, one), (_, other) = drawn(onyx, draw), drawn(phil, draw)
    differing = {key for key in one if one[key] != other[key]}
    assert {"model.viscosity_mPa_s", "model.diffusivity_mm2_s"} <= differing
    assert all(key.startswith("model.") for key in differing)


def test_a_study_is_made_again_from_its_text() -> None:
    one = Study(
        {"a": load_scenario("right-t9"), "b": load_scenario("left-t10")},
        bundled_priors(),
        seed=5,
        largest_mL=1.0,
    )
    again = Study.from_json(one.to_json())
    assert again.to_json() == one.to_json()
    for label, arm in one.arms.items():
        priors = drawn_priors(arm, one.priors)
        assert drawn_priors(again.arms[label], again.priors) == priors
        draw = draws(one, 2, 3)[0]
        assert drawn_scenario(again.arms[label], priors, draw, 1.0) == drawn_scenario(
            arm, priors, draw, 1.0
        )


def test_the_grid_ends_at_the_largest_volume() -> None:
    volumes = study().volumes_mL()
    assert volumes[0] == pytest.approx(0.02)
    assert volumes[-1] == pytest.approx(2.0)
    assert np.allclose(np.diff(volumes), 0.02)


def test_variations_make_every_combination() -> None:
    arms = vary("right-t9", [], ["agent=Onyx 18,PHIL 25", "tip.station=medial,lateral"])
    assert len(arms) == 4
    assert {(arm.agent, arm.tip.station) for arm in arms.values()} == {
        (agent, station) for agent in ("Onyx 18", "PHIL 25") for station in ("medial", "lateral")
    }


def test_whole_tables_come_from_other_scenarios() -> None:
    arms = vary("right-t9", [], ["catheter.tip=right-t9,right-t9-segmental"])
    structures = [arm.tip.structure for arm in arms.values()]
    assert structures == ["foraminal", "paraspinal"]
    (_, pushed) = vary("right-t9", [], ["protocol=right-t9,right-t10-plug-and-push"]).values()
    assert pushed.injection == load_scenario("right-t10-plug-and-push").injection
    assert pushed.target == load_scenario("right-t9").target


@pytest.mark.parametrize(
    "variation",
    [
        "seed=1,2",
        "patient.seed=1,2",
        "patient.anatomy=typical,drawn",
        "injection.volume_mL=0.5,1.0",
    ],
)
def test_what_the_ensemble_decides_makes_no_arms(variation: str) -> None:
    field = variation.partition("=")[0]
    with pytest.raises(ScenarioError, match=f"^--vary {field}: decided by the plan.*: (use|every)"):
        vary("right-t9", [], ["agent=Onyx 18,PHIL 25", variation])


@pytest.mark.parametrize("field", ["patient={seed=1}", "injection.volume_mL=0.5", "seed=3"])
def test_what_the_ensemble_decides_cannot_be_set(field: str) -> None:
    for load in (load_arm, lambda name, given: vary(name, given, ["agent=Onyx 18,PHIL 25"])):
        with pytest.raises(ScenarioError, match=r"^--set [\w.]+: decided by the plan"):
            load("right-t9", [field])


STEPS = "steps = [{volume_mL = 0.2, rate_mL_min = 0.1}, {pause_s = 60}, {volume_mL = %s, "


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("volume_mL = 0.5", "volume_mL = 0.7", True),
        ("rules = []", "", True),
        ('rules = [{when = "coverage"}]', "", True),
        ('rules = [{when = "coverage", action = "pause"}]', "", False),
        (f"{STEPS % 0.3} rate_mL_min = 0.1}}]", f"{STEPS % 0.5} rate_mL_min = 0.1}}]", True),
        (f"{STEPS % 0.3} rate_mL_min = 0.2}}]", f"{STEPS % 0.3} rate_mL_min = 0.1}}]", False),
        ("rate_mL_min = 0.1", "", True),
        ("rate_mL_min = 0.2", "", False),
    ],
)
def test_protocols_that_run_the_same_are_no_two_arms(
    one: str, other: str, same: bool, tmp_path: Path
) -> None:
    names = []
    for name, protocol in (("one", one), ("other", other)):
        path = tmp_path / f"{name}.toml"
        path.write_text(f'name = "{name}"\n{PLACE}[injection]\n{protocol}\n', encoding="utf-8")
        names.append(str(path))
    for made in (
        lambda: arms_of(names, [], []),
        lambda: vary("right-t9", [], [f"protocol={','.join(names)}"]),
    ):
        if same:
            with pytest.raises(ScenarioError, match=r"runs as .* does in every draw: .*--up-to-ml"):
                made()
        else:
            assert len(made()) == 2


def test_a_default_that_is_held_is_another_arm() -> None:
    held = {
        "drawn": load_arm("right-t9"),
        "held": load_arm("right-t9", ["patient.calibre_factor=1.0"]),
    }
    assert all_different(held) == held


@pytest.mark.parametrize("variation", ["agent", "agent=Onyx 18", "=a,b", "agent=Onyx 18,Onix 99"])
def test_a_variation_that_cannot_be_read_is_refused(variation: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        vary("right-t9", [], [variation])
    assert "\n" not in str(caught.value)
