"""Bad input on the command line: one clear line, exit code 2, nothing written."""

from pathlib import Path

import pytest

from castsim.cli import main


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("castsim: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("agent=Onix 18", "right-t9: agent = 'Onix 18': unknown agent"),
        ("injection.volume_mL=-1", "right-t9: injection.volume_mL = -1: must be greater than 0"),
        ("injection.volume_mL=nan", "right-t9: injection.volume_mL = nan: must be a finite number"),
        ("tip.structure=jugular", "tip.structure = 'jugular': unknown vein 'jugular'"),
        ("injection.volumn_mL=1", "injection.volumn_mL: unknown key; did you mean 'volume_mL'?"),
        ("patient.calibre_factor=1.1", "patient.calibre_factor = 1.1: only a drawn patient has it"),
        ("patient.upstream_mmHg=3", "patient.upstream_mmHg = 3.0: must exceed the pressure"),
        ("tip.offset_mm=-60", "tip.offset_mm = -60: must be greater than or equal to -50"),
        # veins that there are, but not there
        (
            "tip.structure=hemiazygos",
            "tip: no hemiazygos T9 right in this anatomy; hemiazygos is at",
        ),
        ("tip.level=S1", "tip: no foraminal S1 right in this anatomy; foraminal is at: right C2"),
        ("tip.side=midline", "tip: no foraminal T9 midline in this anatomy"),
        (
            "catheter.via=[{structure='hemiazygos', level='T3', side='left'}]",
            "catheter.via.0: no hemiazygos T3 left in this anatomy",
        ),
    ],
)
def test_bad_values(
    override: str, line: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    assert line in complaint(capsys, ["run", "right-t9", "--set", override])
    assert not list(empty_place.iterdir())


def test_bad_files(capsys: pytest.CaptureFixture[str], empty_place: Path) -> None:
    (empty_place / "folder.toml").mkdir()
    (empty_place / "large.toml").write_bytes(b"# ten megabytes\n" * 650_000)
    before = sorted(empty_place.iterdir())
    assert "is a directory" in complaint(capsys, ["run", "folder.toml"])
    assert "at most 1 MB" in complaint(capsys, ["run", "large.toml"])
    assert "did you mean 'right-t9'?" in complaint(capsys, ["run", "right-9"])
    assert sorted(empty_place.iterdir()) == before


@pytest.mark.parametrize("output", ["wall", "wall/below", "thesis"])
def test_a_folder_that_cannot_be_written(
    output: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    (empty_place / "wall").write_text("a file in the way")
    (empty_place / "thesis").mkdir()
    (empty_place / "thesis" / "chapter.tex").write_text("years of work")
    before = sorted(empty_place.rglob("*"))
    assert output in complaint(capsys, ["run", "right-t9", "-o", output])
    assert sorted(empty_place.rglob("*")) == before


@pytest.mark.parametrize("export", ["no/such/veins.vtp", "veins.txt", "thesis.vtp"])
def test_an_export_that_cannot_be_written(
    export: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    (empty_place / "thesis.vtp").mkdir()
    before = sorted(empty_place.rglob("*"))
    assert export in complaint(capsys, ["anatomy", "--export", export])
    assert sorted(empty_place.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--surface", "no/such/veins.stl"], "there is no folder no/such"),
        (["--surface", "veins.obj"], "must end in .stl or .ply or .vtp"),
        (["--surface", "v.stl", "--levels", "T11:T7"], "name the upper one first, T7:T11"),
        (["--surface", "v.stl", "--levels", "T7:X1"], "X1 is no vertebra"),
        (["--surface", "v.stl", "--levels", "T7:"], "nothing is no vertebra"),
        (["--surface", "v.stl", "--levels", "C8"], "C8 is no vertebra"),
        (["--surface", "v.stl", "--levels", "T7:T8:T9"], "the upper and the lower vertebra"),
        (["--surface", "v.stl", "--spacing-mm", "0.01"], "GB are allowed"),
        (["--levels", "T11:T7"], "name the upper one first, T7:T11"),
        (["--spacing-mm", "0.5"], "--spacing-mm says what --surface writes"),
        (["--tolerance-mm", "0.1"], "--tolerance-mm says what --surface writes"),
    ],
)
def test_a_surface_that_cannot_be(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    before = sorted(empty_place.rglob("*"))
    assert words in complaint(capsys, ["anatomy", *options])
    assert sorted(empty_place.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run"], "missing argument 'SCENARIO'; see `castsim run --help`"),
        (["run", "right-t9", "--seed", "-1"], "'--seed': must be greater than or equal to 0; see"),
        (["plan", "right-t9", "--coverage-deg", "500"], "must be less than or equal to 360; see"),
        (["run", "right-t9", "--mesh", "cubes"], "'cubes' is not one of 'centreline', 'voxel'"),
        (["anatomy", "--spacing-mm", "fine"], "'--spacing-mm': must be a valid number"),
        (["fly"], "no such command 'fly'; see `castsim --help`"),
        (["run", "right-t9", "-x"], "no such option: -x; see `castsim run --help`"),
    ],
)
def test_usage_errors(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    assert line in complaint(capsys, arguments)
    assert not list(empty_place.iterdir())


def test_without_a_command_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert "Usage: castsim" in out + err
    assert "benchmark" in out + err
    assert "castsim: " not in err
