"""cast.json: one declaration, a published schema that follows from it."""

import json
from importlib.resources import files
from typing import Any, get_args

import jsonschema
import numpy as np
import pytest

from castsim.errors import SolverError
from castsim.results import checked_report, report_text
from castsim.scenario_file import load_scenario
from castsim.schema import CastReport, json_schema, schema_text

ISSUE_FIELDS = (
    *("schema", "scenario", "seed", "version", "injected_mL", "syringe_mL", "dmso_mL", "cast_mL"),
    *("embolised_mL", "terminal_mL", "volume_balance_error", "duration_s", "stop_reason"),
    *("truncated", "tip_pressure_mmHg", "coverage", "reflux", "hazard_mL", "layered_fraction"),
    *("warnings", "structures", "foramina_touched", "dose_curve", "mesh", "timing_s"),
)


def example() -> dict[str, Any]:
    curve = ("volume_mL", "coverage_deg", "azygos_mL", "embolised_mL", "hazard_mL")
    curve += ("foraminal_mL", "epidural_mL", "segmental_mL")
    return {
        "schema": "castsim.cast/1",
        "scenario": load_scenario("right-t9").resolved().model_dump(mode="json"),
        "seed": 0,
        "version": "0.1.0",
        "injected_mL": 1.0,
        "syringe_mL": 1.49,
        "dmso_mL": 0.23,
        "cast_mL": 0.9,
        "embolised_mL": 0.1,
        "terminal_mL": 0.0,
        "volume_balance_error": 1e-16,
        "duration_s": 612.5,
        "stop_reason": "protocol complete",
        "truncated": False,
        "tip_pressure_mmHg": {"max": 30.0, "final": 12.0},
        "coverage": {
            "deg": 300.0,
            "coverable_deg": 350.0,
            "fraction": 300.0 / 350.0,
            "stations": [200.0, 300.0, 250.0],
        },
        "reflux": {
            "azygos_mL": 0.0,
            "first_azygos_mL": None,
            "first_azygos_s": None,
            "catheter_mm": 2.0,
            "entrapment_mm": 0.0,
        },
        "hazard_mL": 0.0,
        "layered_fraction": 0.1,
        "warnings": [],
        "structures": [
            {
                "structure": "foraminal",
                "level": "T9",
                "side": "right",
                "volume_mL": 0.1,
                "filled_fraction": 1.0,
                "reach_mm": 4.0,
            }
        ],
        "foramina_touched": ["T9 right"],
        "dose_curve": {name: [0.0, 1.0] for name in curve},
        "mesh": {"cells": 20000, "faces": 21000},
        "timing_s": dict.fromkeys(("geometry", "mesh", "flow", "injection", "output"), 0.1),
    }


def test_the_published_schema_is_up_to_date() -> None:
    """Refresh with: python -m castsim.schema > castsim/data/cast.schema.json."""
    published = files("castsim") / "data" / "cast.schema.json"
    assert published.read_text("utf-8") == schema_text()


def test_the_schema_is_a_json_schema_with_the_agreed_fields() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert tuple(schema["properties"]) == ISSUE_FIELDS
    assert set(schema["required"]) >= set(ISSUE_FIELDS) - {"schema"}


def test_every_quantity_says_what_it_is() -> None:
    def check(model: Any, path: str) -> None:
        for key, field in model.model_fields.items():
            parts = [field.annotation, *get_args(field.annotation)]
            inner = [part for part in parts if hasattr(part, "model_fields")]
            assert field.description or inner, f"{path}{key}"
            for part in inner:
                check(part, f"{path}{key}.")

    check(CastReport, "")


def test_an_example_fits_and_keeps_its_order() -> None:
    report = checked_report(dict(reversed(example().items())))
    assert tuple(report) == ISSUE_FIELDS
    jsonschema.validate(json.loads(report_text(report)), json_schema())
    assert report == example()


def test_numpy_values_become_plain_numbers() -> None:
    loose = example()
    loose["dose_curve"]["volume_mL"] = np.array([0.0, 1.0])
    loose["mesh"]["cells"] = np.int64(20000)
    loose["truncated"] = np.bool_(False)
    assert report_text(checked_report(loose)) == report_text(checked_report(example()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("injected_mL", float("nan")),
        ("injected_mL", -1.0),
        ("duration_s", float("inf")),
        ("schema", "castsim.cast/2"),
        ("surprise", 1),
        ("coverage", {"deg": 361.0}),
    ],
)
def test_what_does_not_fit_is_refused_by_model_and_schema(field: str, value: object) -> None:
    wrong = {**example(), field: value}
    with pytest.raises(SolverError, match=field):
        checked_report(wrong)
    if value == value and value != float("inf"):  # JSON has neither NaN nor infinity
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json_schema())


def test_a_missing_quantity_is_refused() -> None:
    wrong = example()
    del wrong["hazard_mL"]
    with pytest.raises(SolverError, match="hazard_mL"):
        checked_report(wrong)
