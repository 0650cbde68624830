"""What counts as a change of a prediction, and baselines on the disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from castsim import benchmark_files as files
from castsim.benchmark import (
    DECIMALS,
    WORDS,
    Baseline,
    Origin,
    Prediction,
    Tolerance,
    compare,
    default_tolerances,
    failed,
    report,
    tolerance_names,
)
from castsim.errors import ResultError, SolverError

VEIN = "foraminal T9 right"


def prediction(**given: Any) -> Prediction:
    """Numbers of a run that never was; `given` replaces some."""
    plain: dict[str, Any] = {
        "seed": 0,
        "stop_reason": "protocol complete",
        "truncated": False,
        "coverage_stations_deg": (90.0, 120.0, 60.0),
        "structures_mL": {VEIN: 0.25, "paraspinal T9 right": 0.5},
        "curves": {"volume_mL": [0.0, 0.25, 0.5, 1.0]}
        | {
            name.partition(".")[2]: [0.0, 0.1, 0.2, 0.4]
            for name in tolerance_names()
            if "." in name
        },
    }
    numbers = {name: 0.5 for name in Prediction.model_fields if name not in plain}
    return Prediction.model_validate(numbers | plain | given)


def baseline(now: Prediction | None = None, scenario: str = "right-t9") -> Baseline:
    return Baseline(
        scenario=scenario,
        set_by=Origin(version="0.0", commit="abc"),
        tolerances=default_tolerances(),
        prediction=now or prediction(),
    )


def moved(name: str, by: float) -> Prediction:
    """The prediction with one number of the quantity `name` moved."""
    old = prediction()
    if name.startswith("curves."):
        curve = name.partition(".")[2]
        values = [*old.curves[curve][:-1], old.curves[curve][-1] + by]
        return prediction(curves=old.curves | {curve: values})
    if name == "structures_mL":
        return prediction(structures_mL=old.structures_mL | {VEIN: old.structures_mL[VEIN] + by})
    if name == "coverage_stations_deg":
        return prediction(coverage_stations_deg=(90.0, 120.0 + by, 60.0))
    return prediction(**{name: getattr(old, name) + by})


def test_the_same_numbers_are_no_difference() -> None:
    assert compare(baseline(), prediction()).differences == ()


@pytest.mark.parametrize("name", tolerance_names())
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_each_quantity_is_watched(name: str, sign: float) -> None:
    """Just within its tolerance it has moved, just beyond it has changed, and nothing else has."""
    before = baseline()
    value = {"structures_mL": 0.25, "coverage_stations_deg": 120.0}.get(name, 0.5)
    value = 0.4 if name.startswith("curves.") else value
    allowed = float(before.tolerances[name].allows(value))
    within = compare(before, moved(name, sign * 0.99 * allowed))
    assert [one.group for one in within.differences] == [name]
    assert within.changes == ()
    beyond = compare(before, moved(name, sign * 1.01 * allowed))
    (change,) = beyond.changes
    assert change.group == name
    assert change.tolerance == pytest.approx(allowed)
    assert change.now - change.baseline == pytest.approx(sign * 1.01 * allowed)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 1), ("stop_reason", "stalled"), ("truncated", True)]
)
def test_words_are_the_same_or_not(name: str, value: Any) -> None:
    assert name in WORDS
    (change,) = compare(baseline(), prediction(**{name: value})).changes
    assert (change.quantity, change.now, change.tolerance) == (name, str(value), None)


def test_every_field_of_a_prediction_is_compared() -> None:
    watched = {name.partition(".")[0] for name in tolerance_names()} | set(WORDS)
    assert watched == set(Prediction.model_fields)


def test_never_and_once_differ_whatever_the_tolerance() -> None:
    never = prediction(first_azygos_mL=None)
    (change,) = compare(baseline(never), prediction()).changes
    assert (change.baseline, change.now) == (None, 0.5)
    (change,) = compare(baseline(), never).changes
    assert (change.baseline, change.now) == (0.5, None)
    assert compare(baseline(never), never).differences == ()


def test_a_vein_that_is_new_or_gone_counts_from_nothing() -> None:
    other = prediction(structures_mL={"basivertebral T9 midline": 0.01, "paraspinal T9 right": 0.5})
    found = {one.quantity: (one.baseline, one.now) for one in compare(baseline(), other).changes}
    assert found == {
        f"structures_mL {VEIN}": (0.25, 0.0),
        "structures_mL basivertebral T9 midline": (0.0, 0.01),
    }


def test_curves_are_compared_at_equal_injected_volumes() -> None:
    """The same curve read elsewhere is the same; after its end a run stays as it is."""
    old = prediction().curves
    finer = {name: [0.0, 0.1, 0.15, 0.2, 0.4] for name in old}
    finer["volume_mL"] = [0.0, 0.25, 0.375, 0.5, 1.0]
    assert compare(baseline(), prediction(curves=finer)).changes == ()
    stopped = {name: values[:3] for name, values in old.items()}
    changes = compare(baseline(), prediction(curves=stopped)).changes
    volumes = [one for one in changes if one.unit == "mL"]
    assert len(volumes) == len(old) - 2
    for one in volumes:
        assert one.quantity.endswith("at 1 mL")
        assert (one.baseline, one.now) == (0.4, 0.2)


def test_largest_change_of_a_quantity_comes_first() -> None:
    veins = {VEIN: 0.26, "paraspinal T9 right": 0.7}
    changes = compare(baseline(), prediction(structures_mL=veins)).changes
    assert [one.quantity.split()[1] for one in changes] == ["paraspinal", "foraminal"]


def test_no_tolerance_at_all_lets_nothing_pass() -> None:
    strict = baseline().tolerances | {"cast_mL": Tolerance(absolute=0.0, relative=0.0)}
    before = baseline().model_copy(update={"tolerances": strict})
    assert compare(before, prediction()).changes == ()
    assert len(compare(before, prediction(cast_mL=0.5 + 1e-6)).changes) == 1


def test_a_run_that_fails_is_a_change() -> None:
    (change,) = failed(baseline(), SolverError("volume balance\nbroken")).changes
    assert change.now == "volume balance broken"


def test_the_report_holds_every_difference_and_no_infinity() -> None:
    now = prediction(first_azygos_mL=None, cast_mL=0.5 + 1e-6, stop_reason="stalled")
    content = report([compare(baseline(), now), compare(baseline(), prediction())])
    json.dumps(content, allow_nan=False)
    assert content["changed"]
    assert [one["changed"] for one in content["scenarios"]] == [True, False]
    found = {one["quantity"]: one["changed"] for one in content["scenarios"][0]["differences"]}
    assert found == {"stop_reason": True, "cast_mL": False, "first_azygos_mL": True}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    kept = baseline(prediction(first_azygos_mL=None))
    files.write_baselines(tmp_path / "new" / "folder", [kept])
    assert files.read_baseline(tmp_path / "new" / "folder", "right-t9") == kept
    assert [path.name for path in tmp_path.rglob("*.*")] == ["right-t9.json"]


def broken(change: dict[str, Any]) -> str:
    content = json.loads(files.baseline_text(baseline()))
    return json.dumps(content | change)


UNEQUAL = prediction().model_dump() | {"curves": prediction().curves | {"azygos_mL": [0.0]}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "not a JSON file"),
        ("[]", "schema is not 'castsim.baseline/1'"),
        (broken({"schema": "castsim.cast/1"}), "schema is not"),
        (broken({"scenario": "left-t3"}), "scenario is 'left-t3', not 'right-t9'"),
        (broken({"prediction": {}}), "prediction.seed: Field required"),
        (broken({"tolerances": {}}), "tolerances.azygos_mL: missing"),
        (broken({"extra": 1}), "extra: Extra inputs are not permitted"),
        (broken({"prediction": UNEQUAL}), "prediction.curves: lists of unequal length"),
        (broken({"prediction": UNEQUAL | {"cast_mL": float("nan")}}), "prediction.cast_mL: "),
        ("[" * 100_000, "not a JSON file"),
        (" " * 2_000_000, "too large for a baseline"),
    ],
)
def test_a_broken_baseline_is_one_line_that_names_the_remedy(
    text: str, line: str, tmp_path: Path
) -> None:
    (tmp_path / "right-t9.json").write_text(text, encoding="utf-8")
    with pytest.raises(ResultError) as error:
        files.read_baseline(tmp_path, "right-t9")
    assert line in str(error.value)
    assert str(tmp_path / "right-t9.json") in str(error.value)
    assert "`castsim benchmark --update --scenario right-t9` writes it anew" in str(error.value)


def test_an_update_keeps_tolerances_and_the_commit_of_numbers_that_stayed(tmp_path: Path) -> None:
    mine = baseline().tolerances | {"cast_mL": Tolerance(absolute=0.1, relative=0.0)}
    old = baseline().model_copy(update={"tolerances": mine})
    files.update(tmp_path, {"right-t9": old}, {"right-t9": prediction()})
    assert files.read_baseline(tmp_path, "right-t9") == old
    files.update(tmp_path, {"right-t9": old}, {"right-t9": prediction(cast_mL=0.7)})
    new = files.read_baseline(tmp_path, "right-t9")
    assert new.prediction.cast_mL == 0.7
    assert new.tolerances == mine
    assert new.set_by != old.set_by


def test_an_update_with_a_failed_run_writes_nothing(tmp_path: Path) -> None:
    stored = {"left-t3": None, "right-t9": None}
    with pytest.raises(SolverError):
        files.update(tmp_path, stored, {"left-t3": prediction(), "right-t9": SolverError("no")})
    assert not list(tmp_path.iterdir())


def test_files_are_replaced_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_baselines(tmp_path, [baseline()])
    before = (tmp_path / "right-t9.json").read_text("utf-8")
    monkeypatch.setattr(files.os, "fsync", full_disk_after(1))
    with pytest.raises(ResultError, match="No space left"):
        files.write_baselines(
            tmp_path, [baseline(prediction(cast_mL=0.9)), baseline(scenario="left-t3")]
        )
    assert (tmp_path / "right-t9.json").read_text("utf-8") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["right-t9.json"]


def full_disk_after(count: int) -> Any:
    calls = []

    def fsync(_: int) -> None:
        calls.append(1)
        if len(calls) > count:
            raise OSError(28, "No space left on device")

    return fsync


def test_outside_a_checkout_no_commit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)
    assert files.commit() is None
    (tmp_path / ".git").write_text("gitdir: nowhere")
    assert files.commit() is None


def test_rounding_is_far_below_the_tolerance() -> None:
    assert default_tolerances()["cast_mL"].absolute > 10 * 10 ** -DECIMALS["mL"]
