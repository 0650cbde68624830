"""Facts with an exact answer: the numbers that the verification tests assert."""

from pathlib import Path

import pytest

from castsim.catheters import poiseuille_resistance
from castsim.units import PA_PER_PSI, uL_s_from_mL_min
from tests.validation.facts import Prediction
from tests.validation.intervals import Estimate
from tests.verification.verdicts import Collector, Row

ROOT = Path(__file__).resolve().parents[2]
VERIFICATION = ROOT / "tests" / "verification"
RATIOS = {
    "voxels_2": ("test_voxels.py::test_tube[2]", "tube, 2 cubes a radius"),
    "voxels_5": ("test_voxels.py::test_tube[5]", "tube, 5 cubes a radius"),
    "voxels_8": ("test_voxels.py::test_tube[8]", "tube, 8 cubes a radius"),
    "gel_time": ("test_solidification.py::test_static_gel_time", "static gel time of a tube, s"),
    "shell_law": ("test_solidification.py::test_shell_law", "shell over radius, F from 0.02"),
    "freezing_length": ("test_solidification.py::test_freezing_length", "freezing length in cells"),
}
"""Key of the target → test, and beginning of the quantity whose ratio to the exact one it is."""
CROSSOVER = (
    "test_weight.py::test_calibre_at_which_weight_equals_viscous_loss",
    "calibre at which weight equals viscous loss, 0.16 mL/min",
)
FIXED = "an answer, not a sample"


def predictions() -> list[Prediction]:
    """Run the tests and read what they found; where several values stand for one, the worst."""
    collector = Collector()
    tests = [f"{VERIFICATION}/{test}" for test, _ in (*RATIOS.values(), CROSSOVER)]
    pytest.main(
        [*tests, "-q", "-m", "slow or not slow", "--rootdir", str(ROOT)], plugins=[collector]
    )
    found = []
    for key, (test, quantity) in RATIOS.items():
        row = _worst(collector, test, quantity)
        found.append(_one(key, float(row.computed) / float(row.reference), test, row.cases))
    found.append(
        _one("gravity_crossover", float(_worst(collector, *CROSSOVER).computed), CROSSOVER[0])
    )
    pressure = poiseuille_resistance(0.025, 0.33, 1650.0) * uL_s_from_mL_min(0.16) / PA_PER_PSI
    found.append(_one("catheter", pressure, "castsim/catheters.py, poiseuille_resistance"))
    return found


def _worst(collector: Collector, test: str, quantity: str) -> Row:
    rows = [row for row in collector.rows if test in row.test and row.quantity.startswith(quantity)]
    return max(rows, key=lambda row: abs(float(row.computed) / float(row.reference) - 1))


def _one(key: str, value: float, test: str, cases: int = 1) -> Prediction:
    """The worst of all `cases`: no sample, so that it is its own interval."""
    note = f"`{test.replace('::', ' ')}`"
    return Prediction(key, FIXED, Estimate(value, value, value, cases), note)
