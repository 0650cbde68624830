"""A cast read back from its folder is the one that was written, or nothing is read."""

import json
from pathlib import Path

import numpy as np
import pytest

import castsim
from castsim.cast_reading import differences, read_cast, read_report
from castsim.errors import ResultError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[castsim.Cast, Path]:
    cast = castsim.run("right-t9", seed=3)
    folder = tmp_path_factory.mktemp("cast") / "case"
    castsim.write_cast(cast, folder, render=False)
    return cast, folder


def test_the_cast_is_the_one_that_was_written(written: tuple[castsim.Cast, Path]) -> None:
    cast, folder = written
    again = read_cast(folder)
    np.testing.assert_array_equal(again.cast.first_volume, cast.first_volume)
    assert again.cast.seed == 3
    assert again.report["injected_mL"] == pytest.approx(cast.injected / 1000.0)


def test_another_prediction_is_refused(written: tuple[castsim.Cast, Path], tmp_path: Path) -> None:
    report = json.loads((written[1] / "cast.json").read_text())
    report["coverage"]["deg"] -= 1.0
    (tmp_path / "cast.json").write_text(json.dumps(report))
    with pytest.raises(ResultError, match=r"another coverage\.deg: run the scenario again"):
        read_cast(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "is not castsim.cast/1"),
        ('{"schema": "castsim.cast/1"}', "is not castsim.cast/1"),
    ],
)
def test_a_damaged_result_is_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "cast.json").write_text(text)
    with pytest.raises(ResultError, match=said):
        read_report(tmp_path)


def test_where_no_result_lies_the_command_that_makes_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="castsim run right-t9"):
        read_report(tmp_path / "right-t9")
    with pytest.raises(ResultError, match=r"holds no cast\.json"):
        read_report(tmp_path)


def test_differences_name_the_field_and_forgive_rounding() -> None:
    one = {"a": {"b": [1.0, 2.0]}, "c": None, "timing_s": {"mesh": 1.0}}
    other = {"a": {"b": [1.0, 2.0 + 1e-9]}, "c": None, "timing_s": {"mesh": 9.0}}
    assert list(differences(one, other)) == []
    assert list(differences(one, {"a": {"b": [1.0, 2.1]}, "c": 0.0})) == [
        "a.b.1",
        "c",
    ]
    assert list(differences({"a": [1.0]}, {"a": [1.0, 2.0]})) == ["a"]
