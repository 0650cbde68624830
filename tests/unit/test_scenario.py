"""Scenario files: what they say, and one clear line for whatever is wrong with one."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castsim.errors import CastsimError, ScenarioError
from castsim.protocol import Pause, RuleAction, RuleKind, Step
from castsim.scenario import Scenario
from castsim.scenario_file import bundled_names, load_scenario, scenario_from
from castsim.scenario_text import scenario_text
from castsim.schema import json_schema
from geometry.traits import Traits

NAMES = (
    *("right-t9", "right-t9-segmental", "right-t5", "right-l1", "left-t10", "left-t7"),
    *("right-t3", "left-t3", "right-t1-via-t2", "c6", "c6-vertebral"),
    *("right-t10-plug-and-push", "right-t9-balloon"),
)
LEAST = {
    "target": {"level": "T9", "side": "right"},
    "tip": {"structure": "foraminal", "level": "T9", "side": "right"},
}


def changed(**sections: Any) -> dict[str, Any]:
    return {**LEAST, **sections}


def test_the_thirteen_scenarios_are_there() -> None:
    assert set(bundled_names()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_bundled_scenarios_are_readable(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert 0 < len(scenario.title) < 70
    agent = scenario.agent_model()
    protocol = scenario.injection.protocol()
    assert protocol.largest_rate <= agent.max_rate
    assert protocol.longest_pause <= agent.max_pause
    assert 300.0 <= protocol.volume <= 3000.0, "published range for one level, uL"


@pytest.mark.parametrize("name", NAMES)
def test_resolved_text_is_the_scenario_again(name: str) -> None:
    resolved = load_scenario(name).resolved()
    again = scenario_from(tomllib.loads(scenario_text(resolved)))
    assert again == resolved
    assert again.resolved() == resolved
    assert again.agent_model() == resolved.agent_model()
    assert again.physiology() == resolved.physiology()
    assert again.injection.protocol() == resolved.injection.protocol()


def test_resolved_has_no_gaps_but_steps_or_one_push() -> None:
    dumped = load_scenario("right-t9").resolved().model_dump()
    empty = {
        f"{section}.{key}"
        for section, values in dumped.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value is None
    }
    # these are the drawn patient's own, which no table holds
    traits = {f"patient.{trait.name}" for trait in fields(Traits)}
    assert empty == {"catheter.balloon"} | traits


def test_only_target_and_tip_are_needed() -> None:
    scenario = scenario_from(LEAST)
    assert scenario.agent == "Onyx 18"
    assert scenario.injection.protocol().steps == (Step(1000.0, 0.1 * 1000 / 60),)
    for section in ("target", "tip"):
        with pytest.raises(ScenarioError, match=f"{section}: missing"):
            scenario_from({key: value for key, value in LEAST.items() if key != section})


def test_every_field_says_what_it_is() -> None:
    def check(model: Any, path: str) -> None:
        for key, field in model.model_fields.items():
            assert field.description, f"{path}{key}"
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation, f"{path}{key}.")

    check(Scenario, "")


def test_values_in_inner_units() -> None:
    scenario = scenario_from(
        changed(
            injection={
                "steps": [{"volume_mL": 0.2, "rate_mL_min": 0.12}, {"pause_s": 30}],
                "rules": [
                    {"when": "tip_pressure", "pressure_mmHg": 10},
                    {"when": "catheter_reflux", "action": "pause", "pause_s": 45, "times": 2},
                ],
            },
            model={"viscosity_mPa_s": 40, "wall_strength_kPa": 20},
            patient={
                **{"abdominal_pressure_mmHg": 20.0, "right_atrium_mmHg": 5, "blood": "shear"},
                **{"upstream_mmHg": 15, "blood_viscosity_mPa_s": 4.2},
            },
            catheter={"hub_pressure_limit_mmHg": 750, "hub_compliance_uL_kPa": 0.1},
        )
    )
    protocol = scenario.injection.protocol()
    assert protocol.steps == (Step(200.0, 2.0), Pause(30.0))
    pressure, reflux = protocol.rules
    assert (pressure.kind, pressure.action) == (RuleKind.TIP_PRESSURE, RuleAction.STOP)
    assert pressure.threshold == pytest.approx(1333.22, rel=1e-5)
    assert (reflux.kind, reflux.action) == (RuleKind.CATHETER_REFLUX, RuleAction.PAUSE)
    assert (reflux.threshold, reflux.pause, reflux.times) == (10.0, 45.0, 2)
    assert scenario.agent_model().viscosity == pytest.approx(0.04)
    assert scenario.agent_model().wall_strength == pytest.approx(20e3)
    rest = scenario.physiology()
    assert rest.abdominal_pressure_Pa == pytest.approx(2666.4, rel=1e-4)
    assert rest.right_atrium_Pa == pytest.approx(666.6, rel=1e-4)
    assert rest.blood_model == "shear"
    assert rest.upstream_Pa == pytest.approx(1999.8, rel=1e-4)
    assert rest.blood_viscosity_Pa_s == pytest.approx(0.0042)
    catheter = scenario.catheter_model()
    assert catheter.hub_pressure_limit == pytest.approx(1e5, rel=1e-3)
    assert catheter.hub_compliance == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("position", "down"),
    [
        ("supine", [0, -1, 0]),
        ("prone", [0, 1, 0]),
        ("right_decubitus", [1, 0, 0]),
        ("left_decubitus", [-1, 0, 0]),
    ],
)
def test_gravity_points_to_the_side_lain_on(position: str, down: list[float]) -> None:
    """RAS: supine pulls backwards (-y), the right side is +x."""
    patient = scenario_from(changed(patient={"position": position})).patient
    assert np.allclose(patient.gravity(), np.array(down) * 9806.65)


def test_traits_of_a_drawn_patient() -> None:
    given = {
        "calibre_factor": 1.2,
        "strand_probability": 0.8,
        "intersegmental_probability": 0,
        "azygos_shift_mm": -4.0,
        "valve_incompetence": 0.25,
    }
    patient = scenario_from(changed(patient={"anatomy": "drawn", **given})).patient
    assert patient.traits() == Traits(**given)
    assert scenario_from(changed(patient={"anatomy": "drawn"})).patient.traits() == Traits()
    assert scenario_from(LEAST).patient.traits() == Traits()


@pytest.mark.parametrize("trait", [trait.name for trait in fields(Traits)])
def test_a_typical_patient_has_no_traits(trait: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("right-t9", [f"patient.{trait}=0.5"])
    assert str(caught.value) == (
        f"right-t9: patient.{trait} = 0.5: only a drawn patient has it; "
        'set patient.anatomy = "drawn" or leave it out'
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("agent=Onix 18", "agent = 'Onix 18': unknown agent 'Onix 18'; did you mean 'Onyx 18'?"),
        ("agent=nBCA", "polymerises and is not modelled"),
        ("injection.volume_mL=-1", "injection.volume_mL = -1: must be greater than 0"),
        ("injection.volume_mL=0", "injection.volume_mL = 0: must be greater than 0"),
        ("injection.volume_mL=nan", "injection.volume_mL = nan: must be a finite number"),
        ("injection.volume_mL=-inf", "injection.volume_mL = -inf: must be a finite number"),
        ("mesh.cell_mm=1e999", "mesh.cell_mm = inf: must be a finite number"),
        ("injection.volume_mL=1,5", "injection.volume_mL = '1,5': must be a valid number"),
        ("injection.volume_mL=true", "injection.volume_mL = True: must be a valid number"),
        ("injection.volumn_mL=1", "injection.volumn_mL: unknown key; did you mean 'volume_mL'?"),
        ("patiant.seed=1", "patiant: unknown key; did you mean 'patient'?"),
        ("tip.structure=foramenal", "did you mean 'foraminal'? allowed: anterior_epidural"),
        ("tip.structure=radiculomedullary", "unknown vein 'radiculomedullary'"),
        ("tip.level=T13", "tip.level = 'T13': unknown level 'T13'"),
        ("tip.side=up", "tip.side = 'up': unknown side 'up'; allowed: right, left, midline"),
        ("tip.station=outer", "tip.station = 'outer': must be 'medial', 'middle'"),
        ("target.level=C1", "target.level = 'C1': unknown root 'C1'"),
        ("target.side=midline", "unknown side 'midline'; allowed: right, left"),
        ("catheter.name=Maraton", "did you mean 'Marathon'?"),
        ("catheter.balloon={}", "catheter.balloon.length_mm: missing; Marathon carries no"),
        ("catheter.via=[{structure='azygos'}]", "catheter.via.0.level: missing"),
        ("injection.steps=[{pause_s=3}]", "either volume_mL and rate_mL_min, or steps"),
        ("injection={steps=[{pause_s=3}]}", "at least one push"),
        ("injection={steps=[{volume_mL=1, rate=1}]}", "did you mean 'rate_mL_min'?"),
        ("injection.rules=[{when='azygos'}]", "unknown rule; did you mean 'azygos_reflux'?"),
        ("injection.rules=[{}]", "needs when = one of: azygos_reflux"),
        ("injection.rules=[{when='coverage', volume_mL=1}]", "rules.0.volume_mL: unknown key"),
        ("patient=3", "patient = 3: must be a table"),
        ("patient.seed=-1", "patient.seed = -1: must be greater than or equal to 0"),
        ("patient.seed=0.5", "patient.seed = 0.5: must be a valid integer"),
        ("patient.calibre_factor=0.2", "calibre_factor = 0.2: must be greater than 0.2"),
        ("patient.strand_probability=0.2", "must be greater than or equal to 0.3"),
        ("patient.intersegmental_probability=1.1", "must be less than or equal to 1"),
        ("patient.azygos_shift_mm=31", "must be less than or equal to 30"),
        ("patient.valve_incompetence=nan", "must be a finite number"),
        ("patient.upstream_mmHg=4", "patient.upstream_mmHg = 4.0: must exceed the pressure of"),
        ("patient.blood_viscosity_mPa_s=0", "must be greater than or equal to 0.5"),
        ("tip.offset_mm=51", "tip.offset_mm = 51: must be less than or equal to 50"),
        ("name=../../etc", "name = '../../etc': must match pattern"),
        ("injection.volume_mL.x=1", "volume_mL is a value, not a table"),
        ("injection", "must read field=value"),
        ("=3", "must read field=value"),
    ],
)
def test_a_bad_value_is_one_line(override: str, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("right-t9", [override])
    message = str(caught.value)
    assert line in message
    assert "\n" not in message
    assert message.startswith(("right-t9: ", "--set "))
    assert caught.value.exit_code == 2


def test_overrides_take_toml_values_words_and_list_entries() -> None:
    scenario = load_scenario(
        "right-t10-plug-and-push",
        ["agent=onyx 34", "patient.position = 'prone'", "injection.steps.1.pause_s=90", "seed=7"],
    )
    assert scenario.agent == "Onyx 34"
    assert scenario.patient.position == "prone"
    assert scenario.seed == 7
    assert scenario.injection.protocol().steps[1] == Pause(90.0)


def test_a_list_entry_that_is_not_there() -> None:
    with pytest.raises(ScenarioError, match="9 is not an entry; allowed: 0 to 6"):
        load_scenario("right-t10-plug-and-push", ["injection.steps.9.pause_s=90"])


def test_a_value_cannot_smuggle_in_a_second_key() -> None:
    with pytest.raises(ScenarioError, match="must be a valid number"):
        load_scenario("right-t9", ["injection.volume_mL=0.1\nseed=3"])


def test_a_file_is_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "my patient (2).toml"
    path.write_text(scenario_text(scenario_from(LEAST)).replace('name = "scenario"', ""))
    assert load_scenario(path).name == "my-patient-2-"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b"title = ", "not a TOML file"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"title = " + b"9" * 5000, "not a TOML file"),
        (b"title = 'x\x00'", "not a TOML file"),
        (b"", "target: missing"),
        (b"# x\n" * 2_600_000, "MB; a scenario file has at most 1 MB"),
    ],
    ids=["binary", "half", "deep", "digits", "nul", "empty", "10 MB"],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert line in str(caught.value)
    assert "bad.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("right-t8", "did you mean 'right-t9'?"),
        ("no/such.toml", "no bundled scenario and no file"),
        ("/dev/zero", "not a regular file"),
        ("/", "is a directory"),
        ("a\0b", "no bundled scenario|cannot be read"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_no_such_file(name: str, line: str) -> None:
    with pytest.raises(ScenarioError, match=line.replace("?", r"\?")) as caught:
        load_scenario(name)
    assert "\n" not in str(caught.value)


def test_the_balloon_takes_the_length_of_its_catheter() -> None:
    balloon = load_scenario("right-t9-balloon").resolved().catheter.balloon
    assert balloon is not None
    assert (balloon.length_mm, balloon.diameter_mm) == (10.0, 4.0)


def test_scenarios_fit_the_published_schema() -> None:
    schema = json_schema()
    part = {**schema["properties"]["scenario"], "$defs": schema["$defs"]}
    for name in NAMES:
        dumped = json.loads(json.dumps(load_scenario(name).resolved().model_dump(mode="json")))
        jsonschema.validate(dumped, part)


TOML_VALUES = st.recursive(
    st.none().map(lambda _: True)
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["T9", "right", "foraminal", "coverage"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*Scenario.model_fields, "level", "side", "structure", "via", "steps", "rules", "when", "x"]
)


def complaint(check: Callable[[], object]) -> str:
    """What is wrong, or nothing; any other exception than castsim's own goes through."""
    try:
        check()
    except CastsimError as error:
        return str(error)
    return ""


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, TOML_VALUES, max_size=4) | TOML_VALUES))
def test_no_nested_values_break_the_check(values: dict[str, Any]) -> None:
    assert "\n" not in complaint(lambda: scenario_from(values))
    assert "\n" not in complaint(lambda: scenario_from({**LEAST, **values}))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_no_override_breaks_the_check(override: str) -> None:
    line = complaint(lambda: load_scenario("right-t9", [override, f"tip.{override}"]))
    assert "\n" not in line
    assert line.isprintable()
