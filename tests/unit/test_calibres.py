"""Calibres: the table is complete, draws have the mean and the spread of the table."""

import numpy as np
import pytest

from geometry.calibres import Calibres, calibre_row, load_calibres
from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.structures import Structure


def test_every_structure_has_a_calibre() -> None:
    assert {row.structure for row in load_calibres()} == set(Structure)


def test_mean_lies_inside_its_range() -> None:
    for row in load_calibres():
        assert 0 < row.minimum < row.diameter < row.maximum, row
        assert row.flattening >= 1, row
        assert row.first_level <= row.last_level, row


def test_semi_axes_keep_the_area() -> None:
    calibres = Calibres.typical()
    vein = (Structure.ANTERIOR_EPIDURAL, Level.T5, Side.RIGHT)
    major, minor = calibres.semi_axes(*vein)
    assert major * minor == pytest.approx(calibres.radius(*vein) ** 2, rel=1e-12)
    assert major / minor == pytest.approx(calibres.flattening(*vein), rel=1e-12)


def test_draws_follow_the_table() -> None:
    vein = (Structure.PARASPINAL, Level.T9, Side.LEFT)
    row = calibre_row(*vein)
    rng = np.random.default_rng(0)
    diameters = np.array([2 * Calibres.draw(rng).radius(*vein) for _ in range(400)])
    assert diameters.mean() == pytest.approx(row.diameter, rel=0.04)
    assert np.log(diameters).std() == pytest.approx(row.sd_ln, rel=0.2)
    assert diameters.min() >= row.minimum
    assert diameters.max() <= row.maximum


def test_patient_factor_is_shared() -> None:
    rng = np.random.default_rng(1)
    draws = [Calibres.draw(rng) for _ in range(200)]
    ratio = np.array(
        [
            [np.log(d.radius(Structure.SVC, Level.T4)), np.log(d.radius(Structure.IVC, Level.L2))]
            for d in draws
        ]
    )
    assert np.corrcoef(ratio.T)[0, 1] > 0.5


def test_same_seed_same_calibres() -> None:
    one, two = (Calibres.draw(np.random.default_rng(7)) for _ in range(2))
    for row in load_calibres():
        vein = (row.structure, row.first_level, row.side)
        assert one.radius(*vein, part=row.part) == two.radius(*vein, part=row.part)


def test_unknown_vein_is_named() -> None:
    with pytest.raises(GeometryError, match="subcostal T5 right"):
        Calibres.typical().radius(Structure.SUBCOSTAL, Level.T5, Side.RIGHT)
