"""Priors: what is drawn has the median and the 95 % range that the file says."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from castsim.agents import AGENT_NAMES, agent_prior, load_agent
from castsim.ensembles.priors import GROUPS, Prior, bundled_priors, priors_with
from castsim.ensembles.sampling import RATES
from castsim.errors import CastsimError, ScenarioError
from castsim.scenario import MODEL_FIELDS, Scenario

TEXT = {"group": "agent", "unit": "1", "status": "estimate", "source": "s", "reason": "r"}


def prior(**values: object) -> Prior:
    return Prior.model_validate({"field": "model.disorder", **TEXT, **values})


@pytest.mark.parametrize("distribution", ["normal", "lognormal"])
def test_median_and_ends_are_those_of_the_table(distribution: str) -> None:
    one = prior(distribution=distribution, median=2.0, low=0.5, high=3.0)
    shares = (0.025, 0.5, 0.975)
    assert [one.quantile(share) for share in shares] == pytest.approx([0.5, 2.0, 3.0], rel=1e-12)


def test_a_symmetric_normal_is_the_normal() -> None:
    one = prior(distribution="normal", median=1.0, low=1.0 - 1.96, high=1.0 + 1.96)
    share = np.linspace(0.001, 0.999, 37)
    exact = stats.norm(1.0, 1.96 / stats.norm.ppf(0.975)).ppf(share)
    assert [one.quantile(float(s)) for s in share] == pytest.approx(exact.tolist(), rel=1e-9)


def test_a_cut_prior_is_the_truncated_normal() -> None:
    z = stats.norm.ppf(0.975)
    one = prior(distribution="normal", median=0.0, low=-z, high=z, minimum=-1.0, maximum=0.5)
    share = np.linspace(0.01, 0.99, 23)
    exact = stats.truncnorm(-1.0, 0.5).ppf(share)
    assert [one.quantile(float(s)) for s in share] == pytest.approx(exact.tolist(), abs=1e-9)


def test_uniform() -> None:
    one = prior(distribution="uniform", low=2.0, high=4.0)
    assert [one.quantile(s) for s in (0.25, 0.5)] == pytest.approx([2.5, 3.0])


@given(
    st.sampled_from(bundled_priors()),
    st.lists(st.floats(1e-9, 1 - 1e-9), min_size=2, max_size=2, unique=True),
    st.sampled_from(AGENT_NAMES),
)
def test_every_bundled_prior_rises_with_its_share(
    one: Prior, shares: list[float], agent: str
) -> None:
    if one.distribution == "agent":
        one = one.of_agent(agent_prior(agent, MODEL_FIELDS[one.field.partition(".")[2]][0]))
    low, high = (one.quantile(share) for share in sorted(shares))
    assert low <= high
    assert one.minimum is None or low >= one.minimum - 1e-9
    assert one.maximum is None or high <= one.maximum + 1e-9


@pytest.mark.parametrize("agent", AGENT_NAMES)
def test_agents_are_drawn_about_what_they_are(agent: str) -> None:
    for one in bundled_priors():
        if one.distribution == "agent":
            name, inwards, _ = MODEL_FIELDS[one.field.partition(".")[2]]
            median, low, high = agent_prior(agent, name)
            assert low < median < high, (agent, name)
            assert inwards(median) == pytest.approx(getattr(load_agent(agent), name), rel=1e-12)


def test_each_names_a_field_of_the_scenario_once() -> None:
    fields = [one.field for one in bundled_priors()]
    assert len(set(fields)) == len(fields)
    for field in fields:
        section, key = field.split(".")
        model = Scenario.model_fields[section].annotation
        known = set(getattr(model, "model_fields", {}))
        assert key in known | {"pause_s"}, field
    assert {one.group for one in bundled_priors()} == set(GROUPS)


def test_every_prior_of_the_agent_tables_is_drawn() -> None:
    drawn = {one.field.partition(".")[2] for one in bundled_priors() if one.group == "agent"}
    assert drawn == set(MODEL_FIELDS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"distribution": "normal", "median": 1.0, "low": 0.0}, "low and high: missing"),
        ({"distribution": "uniform", "low": 2.0, "high": 1.0}, "is above high"),
        ({"distribution": "normal", "median": 5.0, "low": 0.0, "high": 1.0}, "between low and"),
        ({"distribution": "lognormal", "median": 1.0, "low": 0.0, "high": 2.0}, "low > 0"),
        (
            {"distribution": "normal", "median": 0.0, "low": -1, "high": 1.0, "minimum": 99.0},
            "nothing is left",
        ),
        ({"distribution": "beta", "low": 0.0, "high": 1.0}, "distribution"),
        ({"distribution": "uniform", "low": float("nan"), "high": 1.0}, "low"),
        ({"distribution": "uniform", "low": 0.0, "high": 1.0, "minimum": 0.5}, "leave minimum"),
        ({"distribution": "uniform", "low": 0.0, "high": 1.0, "maximum": 0.5}, "leave minimum"),
        ({"distribution": "agent", "median": 1.0}, "of its own tables"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        prior(**values)


def test_an_agents_prior_needs_the_agent() -> None:
    with pytest.raises(CastsimError, match="of_agent"):
        prior(distribution="agent").quantile(0.5)


def changes(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


OWN = """
[[prior]]
field = "patient.right_atrium_mmHg"
distribution = "normal"
median = 6.0
low = 5.0
high = 7.0
unit = "mmHg"
status = "seen"
source = "measured in this patient"
reason = "manometry"
"""


def test_own_priors_take_the_places_of_bundled_ones(tmp_path: Path) -> None:
    own = priors_with(changes(tmp_path, OWN))
    bundled = bundled_priors()
    assert [one.field for one in own] == [one.field for one in bundled]
    moved = [new.field for new, old in zip(own, bundled, strict=True) if new != old]
    assert moved == ["patient.right_atrium_mmHg"]
    assert priors_with(None) == bundled


def test_an_own_prior_may_be_of_another_distribution_or_wholly_the_agents(tmp_path: Path) -> None:
    rate = OWN.replace("patient.right_atrium_mmHg", RATES).replace('"mmHg"', '"1"\nrelative = true')
    yields = OWN.replace("patient.right_atrium_mmHg", "model.skin_yield_Pa").replace("mmHg", "Pa")
    own = {one.field: one for one in priors_with(changes(tmp_path, rate + yields))}
    assert (own[RATES].relative, own[RATES].low, own[RATES].distribution) == (True, 5.0, "normal")
    assert own["model.skin_yield_Pa"].quantile(0.5) == 6.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("right_atrium", "right_atrum"), r"unknown prior.*right_atrium_mmHg"),
        (OWN.replace("low = 5.0", "low = 6.5"), "must lie between low and high"),
        (OWN.replace("low = 5.0", "lower = 5.0"), "lower"),
        ("[agent]\n", r"\[\[prior\]\]"),
        ("prior = 3\n", r"\[\[prior\]\]"),
        ("not toml", "cannot be read"),
        ("prior = [3]\n", r"\[\[prior\]\]"),
        ("[[prior]]\nfield = [1]\n", "unknown prior"),
        (OWN + OWN, "prior patient.right_atrium_mmHg: given twice"),
        (OWN.replace('"mmHg"', '"kPa"'), "unit = 'kPa': must be 'mmHg'"),
        (OWN + "relative = true\n", "relative: must be false"),
        (
            OWN.replace("patient.right_atrium_mmHg", RATES).replace('"mmHg"', '"1"'),
            "relative: must be true, since it multiplies",
        ),
        (
            re.sub("(median|low|high) = .*\n", "", OWN).replace('"normal"', '"agent"'),
            "distribution = 'agent': .* must be another",
        ),
        (
            OWN.replace("median = 6.0", "minimum = 5.5").replace('"normal"', '"uniform"'),
            "leave minimum, maximum out",
        ),
    ],
)
def test_faulty_own_priors_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said) as caught:
        priors_with(changes(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "own.toml" in str(caught.value)


def test_a_missing_file_of_priors_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.toml: no such file; it must hold \[\[prior"):
        priors_with(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        priors_with(tmp_path)


def test_the_example_of_the_readme_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(\[\[prior.*?)```", readme, re.DOTALL)
    own = {one.field: one for one in priors_with(changes(tmp_path, text))}
    assert (own["tip.offset_mm"].low, own["tip.offset_mm"].high) == (-1.0, 1.0)
    assert own["tip.offset_mm"].group == "practice"
