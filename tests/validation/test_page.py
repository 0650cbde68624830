"""The page tells every fact and every criterion, and what fails with its reason."""

import re

import numpy as np

from tests.validation import made_up
from tests.validation.anatomy_facts import Rest
from tests.validation.claims import predictions
from tests.validation.exact import predictions as exact
from tests.validation.facts import facts, targets
from tests.validation.page import PAGE, Findings, page
from tests.validation.sensitivity import HEADER, cases

REST = Rest(200.0, np.array([5.0, 7.0]), (4.0, 5.0), 3.0, 90.0)


def findings() -> Findings:
    arms = made_up.all_arms()
    held = [["case", *"123456"]]
    return Findings(
        predictions(arms), arms, held, 6, REST, [REST, REST], {"one way": 1.0}, [{"a": 0.1}]
    )


def test_page_has_every_fact_and_criterion() -> None:
    text = page(findings())
    for fact in facts():
        assert f"| {fact.number} | {fact.title} |" in text
    for target in targets().values():
        assert target.says.replace("|", "\\|") in text
    assert "$" not in text
    assert "nan" not in text.split("## What is not")[0]
    assert text.rstrip().endswith("directions.")


def test_what_fails_is_explained() -> None:
    """Made-up runs fail at random: each failing criterion is named below a reason."""
    text = page(findings())
    part = text.split("### Why rows fail")[1].split("### One number held")[0]
    failing = set(re.findall(r"^\| (\d+) \|.*\*\*fails\*\*", text, re.MULTILINE))
    listed = set(", ".join(re.findall(r"\(Fact ([\d, ]+)\.\)", part)).split(", "))
    assert failing == listed


def test_rows_are_as_wide_as_their_header() -> None:
    table: list[int] = []
    for line in page(findings()).splitlines():
        if not line.startswith("|"):
            table = []
            continue
        width = len(re.findall(r"(?<!\\)\|", line))
        assert not table or table[0] == width, line
        table.append(width)
    assert len(HEADER) == 7


def test_committed_page_tells_the_same_facts() -> None:
    """A fact that is added, or put otherwise, needs the page written anew."""
    text = PAGE.read_text(encoding="utf-8")
    for fact in facts():
        assert f"| {fact.number} | {fact.title} |" in text, "run `make validate`"
    assert "not explained" not in text.lower()


def test_exact_facts_are_read_from_the_verification_tests() -> None:
    found = {one.key: one.estimate.value for one in exact()}
    assert set(found) == {key for key, target in targets().items() if target.answer == "exact"}
    for key, value in found.items():
        assert targets()[key].low <= value <= targets()[key].high, key


def test_held_numbers_have_two_ends() -> None:
    assert len(cases()) % 2 == 0
    assert "model.skin_yield_Pa = 5000" in cases()
