"""Traits: each takes the place of what was drawn, and leaves everything else as it was."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geometry.anatomy import Anatomy
from geometry.calibres import PATIENT_SD_LN, Calibres, vein_kinds
from geometry.errors import GeometryError
from geometry.levels import SIDES, Level
from geometry.network import TerminalKind, VesselNetwork
from geometry.sketch import Label, VeinSketch
from geometry.structures import Structure
from geometry.traits import Traits
from geometry.variants import Variant, prevalence

SEEDS = st.integers(0, 2**32 - 1)
PROBABILITY = st.floats(0.0, 1.0)


def variant(seed: int, **traits: float) -> Variant:
    return Variant.draw(np.random.default_rng(seed), Traits(**traits))


def anatomy(**traits: float) -> Anatomy:
    return Anatomy.draw(np.random.default_rng(1), Traits(**traits))


def labels(network: VesselNetwork) -> list[tuple[int, int, int]]:
    """Structure, level and side of every vein but the links of segments, in their order."""
    columns = network.branch_structure, network.branch_level, network.branch_side
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [row for row in rows if row[0] != Structure.INTERSEGMENTAL]


@pytest.fixture(scope="module")
def drawn() -> Anatomy:
    return Anatomy.draw(np.random.default_rng(1))


@settings(max_examples=30)
@given(SEEDS, PROBABILITY, PROBABILITY, st.floats(-30.0, 30.0))
def test_choices_change_where_told_only(seed: int, strand: float, link: float, x: float) -> None:
    plain = Variant.draw(np.random.default_rng(seed))
    assert variant(seed) == plain
    assert variant(seed, azygos_shift_mm=x) == replace(plain, azygos_shift_mm=x)
    assert variant(seed, strand_probability=strand) == replace(plain, strand_probability=strand)
    linked = variant(seed, intersegmental_probability=link)
    assert linked == replace(plain, intersegmental=linked.intersegmental)
    assert linked.usual_links == len(plain.intersegmental)


@settings(max_examples=30)
@given(SEEDS, PROBABILITY, PROBABILITY)
def test_a_link_stays_at_every_higher_probability(seed: int, one: float, two: float) -> None:
    few, many = (
        variant(seed, intersegmental_probability=p).intersegmental for p in sorted((one, two))
    )
    assert few <= many
    usual = variant(seed, intersegmental_probability=prevalence("intersegmental"))
    assert usual == variant(seed)
    assert not variant(seed, intersegmental_probability=0.0).intersegmental
    assert len(variant(seed, intersegmental_probability=1.0).intersegmental) == 2 * (
        Level.L5 - Level.T1
    )


@settings(max_examples=30)
@given(SEEDS, PROBABILITY, PROBABILITY)
def test_a_valve_leaks_at_every_higher_probability(seed: int, one: float, two: float) -> None:
    def leaking(patient: Variant, probability: float) -> Variant:
        return patient.leaking(probability, np.random.default_rng(seed))

    def valves(patient: Variant) -> set[object]:
        return {
            *([("arch",)] if patient.arch_valve else []),
            *(("vertebral", side) for side in patient.vertebral_valves),
            *(("jugular", side) for side in patient.jugular_valves),
            *(("segmental", *place) for place in patient.segmental_valves),
        }

    plain = variant(seed)
    few, many = (leaking(plain, p) for p in sorted((one, two)))
    assert valves(many) <= valves(few) <= valves(plain)
    assert leaking(plain, 0.0) == plain
    assert not valves(leaking(plain, 1.0))
    # whether another valve is there does not change which ones leak
    without = leaking(replace(plain, arch_valve=False, vertebral_valves=frozenset()), one)
    assert without.segmental_valves == leaking(plain, one).segmental_valves


def test_valves_leak_as_often_as_told() -> None:
    rng, modal = np.random.default_rng(3), Variant.modal()
    full = replace(modal, segmental_valves=frozenset(modal.intersegmental))
    left = [len(full.leaking(0.3, rng).segmental_valves) for _ in range(300)]
    # three standard errors of a share of 300 × 32
    assert np.mean(left) / len(full.segmental_valves) == pytest.approx(0.7, abs=0.014)
    assert np.mean([full.leaking(0.3, rng).arch_valve for _ in range(300)]) == pytest.approx(
        0.7, abs=0.08
    )


def test_the_shared_factor_leaves_the_factor_of_each_vein() -> None:
    kinds, seed = vein_kinds(), 5
    own = Calibres.draw(np.random.default_rng(seed), 1.0).radii
    wide = Calibres.draw(np.random.default_rng(seed), 1.3).radii
    inside = (2 * own > kinds.minimum) & (2 * wide < kinds.maximum)
    assert inside.sum() > len(own) / 2
    assert np.allclose(wide[inside], 1.3 * own[inside], rtol=1e-12)
    luck = np.random.default_rng(seed).standard_normal()
    drawn = np.exp(PATIENT_SD_LN * luck - PATIENT_SD_LN**2 / 2)
    same = Calibres.draw(np.random.default_rng(seed), float(drawn)).radii
    assert np.allclose(same, Calibres.draw(np.random.default_rng(seed)).radii, rtol=1e-14)


def test_no_trait_changes_no_bit(drawn: Anatomy) -> None:
    for traits in ({}, {"valve_incompetence": 0.0}):
        again = anatomy(**traits)
        assert again.variant == drawn.variant
        for name, value in vars(drawn.network).items():
            assert np.array_equal(value, getattr(again.network, name)), name


@pytest.mark.parametrize(
    "traits",
    [
        {"calibre_factor": 1.2},
        {"azygos_shift_mm": -8.0},
        {"valve_incompetence": 0.5},
        {"intersegmental_probability": 0.0},
        {"intersegmental_probability": 0.3},
        {"intersegmental_probability": 1.0},
    ],
    ids=str,
)
def test_the_same_veins_are_there(drawn: Anatomy, traits: dict[str, float]) -> None:
    """Missing strands and the veins into the dura are those of the patient as drawn."""
    other = anatomy(**traits)
    assert other.seed == drawn.seed
    assert labels(other.network) == labels(drawn.network)
    links = other.network.branches(Structure.INTERSEGMENTAL)
    assert len(links) == len(other.variant.intersegmental)


def test_leaking_valves_are_the_only_change(drawn: Anatomy) -> None:
    other = anatomy(valve_incompetence=0.5).network
    for name, value in vars(drawn.network).items():
        if not name.startswith("valve_"):
            assert np.array_equal(value, getattr(other, name)), name
    places = [
        set(zip(n.valve_branch.tolist(), n.valve_arc.tolist(), strict=True))
        for n in (other, drawn.network)
    ]
    assert places[0] < places[1]
    assert not len(anatomy(valve_incompetence=1.0).network.valve_branch)


def test_a_denser_plexus_keeps_every_strand(drawn: Anatomy) -> None:
    thin, usual, full = (
        Counter(labels(network))
        for network in (
            anatomy(strand_probability=0.6).network,
            drawn.network,
            anatomy(strand_probability=1.0).network,
        )
    )
    assert thin <= usual <= full
    assert thin.total() < 0.9 * usual.total() < 0.9 * full.total()


@pytest.mark.parametrize(
    "traits", [{"strand_probability": 0.6}, {"intersegmental_probability": 0.2}]
)
def test_a_vein_keeps_its_key_when_others_are_missing(
    drawn: Anatomy, traits: dict[str, float]
) -> None:
    """So that the fronts in the veins that two arms share meet the same disorder."""
    whole, thinned = drawn.network, anatomy(**traits).network
    for network in (whole, thinned):
        assert len(np.unique(network.branch_key)) == network.n_branches
    key, one, two = np.intersect1d(whole.branch_key, thinned.branch_key, return_indices=True)
    assert len(key) > 0.95 * min(whole.n_branches, thinned.n_branches)
    assert whole.n_branches != thinned.n_branches
    # settling moves a vein a little when its neighbour is missing
    for ends in ("branch_start", "branch_end"):
        place = (n.node_xyz[getattr(n, ends)[i]] for n, i in ((whole, one), (thinned, two)))
        apart = np.linalg.norm(np.subtract(*place), axis=1)
        assert apart.max() < 1.0


def plexus(links: int = 3, usual: int = 3) -> VeinSketch:
    """A ladder of two columns with firm links between its ends, drawn after the first column."""
    sketch = VeinSketch(Calibres.typical())
    label = Label(Structure.ANTERIOR_EPIDURAL, Level.T5, SIDES[0])
    nodes = [[sketch.node([x, 0.0, z]) for z in range(12)] for x in (0.0, 5.0)]
    for column in nodes:
        sketch.terminal(column[0], TerminalKind.TRIBUTARY, "below the ladder")
    for lower, upper in pairwise(nodes[0]):
        sketch.link(label, lower, upper)
    for _ in range(links):
        sketch.link(label._replace(firm=True), nodes[0][0], nodes[1][0])
    sketch.count_as(links, usual)
    sketch.link(label._replace(firm=True), nodes[0][0], nodes[1][0])
    for lower, upper in pairwise(nodes[1]):
        sketch.link(label, lower, upper)
    for pair in zip(*nodes, strict=True):
        sketch.link(label, *pair)
    return sketch


def kept(sketch: VeinSketch, probability: float, seed: int) -> Counter[tuple[float, ...]]:
    """Ends of the veins that stay and may be missing."""
    sketch.thin(probability, np.random.default_rng(seed), usual=0.4)
    return Counter(tuple(vein[:2]) for vein in sketch.veins.tolist() if not vein[5])


@settings(max_examples=100)
@given(SEEDS, PROBABILITY, PROBABILITY)
def test_thinning_is_nested_and_cuts_nothing_off(seed: int, one: float, two: float) -> None:
    few, many = sorted((one, two))
    dense, sparse = kept(plexus(), few, seed), kept(plexus(), many, seed)
    assert sparse <= dense
    everything = {node for ends in kept(plexus(), 0.0, seed) for node in ends}
    assert len(everything) == 24


@settings(max_examples=50)
@given(SEEDS, st.integers(0, 6))
def test_thinning_does_not_hang_on_the_number_of_links(seed: int, links: int) -> None:
    assert kept(plexus(links), 0.4, seed) == kept(plexus(), 0.4, seed)


@pytest.mark.parametrize(
    ("traits", "line"),
    [
        ({"calibre_factor": 0.0}, "calibre_factor = 0.0 must be > 0"),
        ({"strand_probability": 1.1}, "strand_probability = 1.1 must be from 0 to 1"),
        ({"valve_incompetence": -0.1}, "valve_incompetence = -0.1 must be from 0 to 1"),
        ({"azygos_shift_mm": float("nan")}, "azygos_shift_mm = nan must be finite"),
    ],
)
def test_bad_traits(traits: dict[str, Any], line: str) -> None:
    with pytest.raises(GeometryError, match=line):
        Traits(**traits)
