"""``castsim compare`` as a user meets it."""

import json
from pathlib import Path

import pytest

from castsim.cli import main
from castsim.ensembles.study import arms_of
from tests.ensembles import made_up_store

MADE = ["compare.html", "compare.json", "comparison.png", "comparison.svg", "draws", "study.json"]


def test_scenarios_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "x"
    names = ["right-t9", "right-t9-segmental"]
    made_up_store(folder, arms_of(names, [], []))
    command = ["compare", *names, "--draws", "32", "-o", str(folder)]
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == (folder / "compare.json").read_text("utf-8")
    assert err == ""
    assert sorted(path.name for path in folder.iterdir()) == MADE
    assert main([*command, "--no-render"]) == 0
    assert json.loads(out)["summary"][0] in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["compare.json", "draws", "study.json"]
    assert main([*command, "--no-render", "--quiet", "--at-ml", "0.3"]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((folder / "compare.json").read_text("utf-8"))["common_mL"] == 0.3


def test_variations_go_into_a_folder_of_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    variation = "agent=Onyx 18,PHIL 25"
    folder = tmp_path / "plans" / "compare-right-t9-agent-Onyx-18-PHIL-25"
    made_up_store(folder, arms_of(["right-t9"], [], [variation]))
    command = ["compare", "right-t9", "--vary", variation, "--draws", "32"]
    assert main([*command, "--quiet", "--no-render"]) == 0
    report = json.loads((folder / "compare.json").read_text("utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["agent=Onyx 18", "agent=PHIL 25"]
    assert [arm["agent"] for arm in report["arms"]] == ["Onyx 18", "PHIL 25"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["right-t9"], "right-t9: one arm only; name a second scenario, or --vary a field"),
        (["right-t9", "right-t9"], "right-t9: given twice"),
        (["right-t9", "right-t5", "--vary", "agent=Onyx 18,PHIL 25"], "--vary varies one scenario"),
        (["right-t9", "--vary", "agent=Onyx 18"], "two values or more"),
        (["right-t9", "--vary", "agent=Onyx 18,Onyx 18"], "Onyx 18 is named twice"),
        (["right-t9", "--vary", "agent=Onyx 18,onyx 18"], "the same as agent=Onyx 18"),
        (["right-t9", "--vary", "agnt=Onyx 18,PHIL 25"], "did you mean 'agent'?"),
        (["right-t9", "--vary", "agent=Onyx 18,Onix 81"], "did you mean 'Onyx 18'?"),
        (["right-t9", "--vary", "tip=right-t9,right-t99"], "no bundled scenario"),
        (["right-t9", "--vary", "tip=a,b", "--vary", "catheter.tip=a,b"], "tip: given twice"),
        (["right-t9", "right-t5", "--at-ml", "3"], "--at-ml 3: must lie between 0 and 2 mL"),
        (["right-t9", "right-t5", "--draws", "0"], "--draws 0: must be 1 or more"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.startswith("castsim: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
