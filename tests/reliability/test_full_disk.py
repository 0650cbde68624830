"""A disk that takes no more: one line, exit code 2, nothing left, and no crash inside VTK."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import castsim.cli
from castsim.cli import main

CHILD = """
import resource, sys
from castsim.cli import main
import castsim.simulate
castsim.simulate.build_anatomy("typical", 0)  # compiled code may still be cached
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(["anatomy", "--quiet", "--export", sys.argv[1]]))
"""


def test_a_file_that_the_system_cuts_off(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk; VTK's writer crashed on both."""
    path = tmp_path / "veins.vtp"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr == f"castsim: {path}: cannot be written: File too large\n"
    assert not list(tmp_path.iterdir())


def test_any_other_trouble_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trouble(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/kernel.nbi")

    monkeypatch.setattr(castsim.cli, "app", trouble)
    assert main([]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("castsim: ")
    assert err.count("\n") == 1
    assert "/cache/kernel.nbi" in err
