"""``castsim fluoro`` and ``castsim venogram`` as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from castsim.cli import main
from castsim.schema import DISCLAIMER

SMALL = ("--size", "512")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("casts") / "small"
    volume = "injection.volume_mL=0.05"
    assert (
        main(["run", "right-t9", "--set", volume, "--no-render", "--quiet", "-o", str(path)]) == 0
    )
    return path


def grey(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_an_image_lies_in_the_result_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fluoro", str(folder), *SMALL]) == 0
    path = folder / "fluoro-ap-subtracted.png"
    assert capsys.readouterr().out == f"Wrote {path}\n{DISCLAIMER}\n"
    assert grey(path).shape == (512, 512)
    # a folder with it is still a result, which another run may replace
    assert main(["fluoro", str(folder), *SMALL, "--unsubtracted", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    one, other = grey(path), grey(folder / "fluoro-ap-unsubtracted.png")
    middle = slice(128, 384)
    assert one[middle, middle].std() < other[middle, middle].std()


def test_an_image_of_an_earlier_volume(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fluoro", str(folder), *SMALL, "--volume-mL", "0.01", "--json"]) == 0
    early = json.loads(capsys.readouterr().out)
    assert Path(early["file"]).name == "fluoro-ap-subtracted-0.01mL.png"
    assert early["volume_mL"] == 0.01
    assert main(["fluoro", str(folder), *SMALL, "--json"]) == 0
    late = json.loads(capsys.readouterr().out)
    assert late["volume_mL"] == pytest.approx(0.05, rel=0.01)
    # no vein is wider for it; the whole is weighed by its mass, which shifts by a few per cent
    assert late["largest_signal"] > 0.95 * early["largest_signal"] > 0.1
    first, last = (grey(Path(told["file"])).astype(float) for told in (early, late))
    middle = slice(128, 384)
    dark = [(shot[middle, middle] < np.median(shot) - 50).sum() for shot in (first, last)]
    assert dark[1] > 1.2 * dark[0] > 0
    # aimed alike, whatever the volume
    assert late["field_mm"] == early["field_mm"] < 220.0
    assert late["pixel_mm_at_isocentre"] == pytest.approx(late["field_mm"] / 512 / 1.4)


def test_a_field_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for more in ([], ["--field-mm", "300"]):
        assert main(["fluoro", str(folder), *SMALL, "--view", "lateral", "--json", *more]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[1]["field_mm"] == 300.0
    assert said[0]["field_mm"] < 190.0
    # the target is on the right, and so is the detector
    assert said[0]["detector_angle_deg"] == -90.0


def test_before_any_agent_nothing_is_left(folder: Path) -> None:
    assert main(["fluoro", str(folder), *SMALL, "--volume-mL", "0", "--quiet"]) == 0
    empty = grey(folder / "fluoro-ap-subtracted-0.00mL.png").astype(float)[128:384, 128:384]
    assert empty.min() > np.median(empty) - 60  # noise


def test_a_file_of_ones_own(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    arguments = ["fluoro", str(folder), *SMALL, "--view", "LAO30", "-o", str(path), "--quiet"]
    assert main(arguments) == 0
    first = path.read_bytes()
    assert main(arguments) == 0
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--view", "sideways"], "ap, lateral, lao30, rao30"),
        (["--subtracted", "--unsubtracted"], "--subtracted and --unsubtracted"),
        (["--size", "7"], "--size 7: must be from 512 to 4096"),
        (["--volume-mL", "3"], "from 0 to 0.05 mL"),
        (["--volume-mL", "-1"], "from 0 to 0.05 mL"),
        (["-o", "here.jpg"], "must end in"),
        (["--field-mm", "50"], "--field-mm 50: must be from 110 to 300 mm"),
        (["--field-mm", "nan"], "--field-mm nan: must be from 110 to 300 mm"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert main(["fluoro", str(folder), *SMALL, *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_roadmap_has_veins_in_white_and_the_cast_in_black(folder: Path) -> None:
    assert main(["fluoro", str(folder), *SMALL, "--roadmap", "--quiet"]) == 0
    road = grey(folder / "fluoro-ap-roadmap.png").astype(float)
    assert main(["fluoro", str(folder), *SMALL, "--quiet"]) == 0
    cast = grey(folder / "fluoro-ap-subtracted.png").astype(float)
    middle = slice(128, 384)
    road, cast = road[middle, middle], cast[middle, middle]
    agent = cast < np.median(cast) - 60
    assert agent.sum() > 20
    assert road[agent].mean() < np.median(road) - 10
    # and there is something lighter than noise makes: the veins
    assert np.percentile(road, 99.5) - np.median(road) > 3 * (
        np.median(road) - np.percentile(road, 16)
    )


def test_a_venogram_from_any_vein(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["venogram", "right-t9", *SMALL]) == 0
    assert (tmp_path / "venogram-foraminal-T9-right-ap-subtracted.png").exists()
    assert "catheter" not in capsys.readouterr().err
    path = tmp_path / "own.png"
    arguments = ["--from", "Basivertebral:t9:midline", "--volume-mL", "2", "--rate-mL-s", "0.5"]
    assert main(["venogram", "right-t9", *SMALL, *arguments, "-o", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["vein"] == "basivertebral T9 midline"
    assert (told["volume_mL"], told["rate_mL_s"], told["file"]) == (2.0, 0.5, str(path))
    assert told["pressure_rise_mmHg"] > 0
    assert grey(path).shape == (512, 512)
    # no catheter gets through the veins of a vertebral body
    assert told["catheter"] is None


def test_a_venogram_shows_its_catheter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--from", "anterior_epidural:T9:left", "--unsubtracted", "--json"]
    assert main(["venogram", "right-t9", *SMALL, *asked, "-o", "with.png"]) == 0
    assert json.loads(capsys.readouterr().out)["catheter"] == "Marathon"
    monkeypatch.setattr("castsim.fluoroscopy_orders._catheter_to", lambda *_: ())
    assert main(["venogram", "right-t9", *SMALL, *asked, "-o", "without.png"]) == 0
    # a line from the tip to the lower edge, right of the spine: noise is the same in both
    darker = grey(tmp_path / "without.png").astype(int) - grey(tmp_path / "with.png") > 4
    rows = np.flatnonzero(darker[300:480, 100:250].any(axis=1))
    assert len(rows) > 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "azygos"], "VEIN:LEVEL:SIDE"),
        (
            ["--from", "azygoss:T9:midline"],
            "--from azygoss:T9:midline: unknown vein 'azygoss'; did",
        ),
        (["--from", "azygos:T99:right"], "--from azygos:T99:right: unknown level 'T99'; did you"),
        (["--from", "azygos:T9:up"], "--from azygos:T9:up: unknown side 'up'; allowed: right"),
        (
            ["--from", "foraminal:T9:right:far"],
            "--from foraminal:T9:right:far: unknown station 'far'; allowed: medial",
        ),
        (
            ["--from", "basivertebral:T9:right"],
            "--from basivertebral:T9:right: no basivertebral T9 right in this anatomy; "
            "basivertebral is at",
        ),
        (["--set", "tip.level=T99"], "right-t9: tip.level = 'T99'"),
        (["--volume-mL", "nan"], "--volume-mL nan: must be > 0"),
        (["--field-mm", "301"], "--field-mm 301: must be from 110 to 300 mm"),
        (["--volume-mL", "0"], "--volume-mL 0: must be > 0"),
        (["--rate-mL-s", "99"], "at most 20"),
        (["--subtracted", "--unsubtracted"], "one of them"),
        (["-o", "nowhere/x.png"], "no folder"),
    ],
)
def test_a_venogram_that_cannot_be_is_told_in_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["venogram", "right-t9", *SMALL, *arguments]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert said in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fluoro", str(tmp_path)]) == 2
    assert "castsim run" in capsys.readouterr().err
