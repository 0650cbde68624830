"""The seeded faults of `make mutants` still fit the code that they edit."""

import pytest

from tests.mutants.faults import FAULTS
from tests.mutants.run import ROOT, misfit


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_fits(fault):
    """Each edit finds its line exactly once; else mend tests/mutants/faults.py."""
    assert misfit(fault, ROOT) == []
