"""Simulated fluoroscopy: ``castsim fluoro`` and ``castsim venogram``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castsim.command_options import (
    CastArgument,
    JsonOption,
    QuietOption,
    ScenarioArgument,
    SetOption,
)

if TYPE_CHECKING:
    from castsim.fluoroscopy import Mode


ViewOption = Annotated[
    str,
    typer.Option(
        "--view",
        metavar="VIEW",
        help="ap, lateral (from the target's side, as `castsim render` has it: of a right root the "
        "front of the body is on the right), lao30 or rao30.",
    ),
]
FieldOption = Annotated[
    float | None,
    typer.Option(
        "--field-mm",
        metavar="MM",
        help="Zoom: side of the detector's field; C-arms have 300, 220, 190, 160, 135 and 110. "
        "Default: of a cast the smallest that shows it with a level above and below, else 220.",
    ),
]
SubtractedOption = Annotated[
    bool,
    typer.Option(
        "--subtracted",
        help="The cast or contrast medium alone, and what of it is in the catheter (the default).",
    ),
]
UnsubtractedOption = Annotated[
    bool, typer.Option("--unsubtracted", help="Over bone and soft tissue.")
]
SizeOption = Annotated[int, typer.Option("--size", metavar="PIXELS", help="Side of the image.")]


def fluoro(
    cast: CastArgument,
    view: ViewOption = "ap",
    subtracted: SubtractedOption = False,
    unsubtracted: UnsubtractedOption = False,
    roadmap: Annotated[
        bool, typer.Option("--roadmap", help="At a low dose, over a map of the veins in white.")
    ] = False,
    volume_mL: Annotated[
        float | None,
        typer.Option(
            "--volume-mL", "--volume-ml", metavar="ML", help="Agent out of the tip; default all."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.png|.dcm",
            help="Default fluoro-VIEW-MODE.png in CASTDIR.",
        ),
    ] = None,
    field_mm: FieldOption = None,
    size: SizeOption = 1024,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a cast as the fluoroscopy of a C-arm would: simulated X-rays with noise and blur."""
    from castsim.console import progress_bar, told
    from castsim.fluoroscopy_orders import Shot
    from castsim.fluoroscopy_orders import fluoro as take

    flags: dict[Mode, bool] = {
        "subtracted": subtracted, "unsubtracted": unsubtracted, "roadmap": roadmap,
    }  # fmt: skip
    shot = Shot.asked(view, flags, size, output, field_mm)
    with progress_bar(not quiet) as progress:
        tell = told(progress, quiet=quiet)
        facts = take(cast, shot, volume_mL=volume_mL, progress=tell)
    _print_image(facts, as_json=as_json, quiet=quiet)


def venogram(
    scenario: ScenarioArgument,
    vein: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="VEIN:LEVEL:SIDE",
            help="Where contrast medium comes out, as anterior_epidural:T9:left, or with a "
            "third of the vein, foraminal:T9:left:medial; default the scenario's tip.",
        ),
    ] = None,
    view: ViewOption = "ap",
    subtracted: SubtractedOption = False,
    unsubtracted: UnsubtractedOption = False,
    volume_mL: Annotated[
        float | None,
        typer.Option(
            "--volume-mL", "--volume-ml", metavar="ML", help="Contrast medium; default 6."
        ),
    ] = None,
    rate_mL_s: Annotated[
        float | None,
        typer.Option("--rate-mL-s", "--rate-ml-s", metavar="ML_S", help="How fast; default 1."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.png|.dcm",
            help="Default venogram-VEIN-….png, with view and mode.",
        ),
    ] = None,
    overrides: SetOption = None,
    field_mm: FieldOption = None,
    size: SizeOption = 1024,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show contrast medium in the resting veins of a scenario's patient; no agent is injected."""
    from castsim.console import progress_bar, talk
    from castsim.fluoroscopy_orders import Injection, Shot
    from castsim.fluoroscopy_orders import venogram as take

    flags: dict[Mode, bool] = {"subtracted": subtracted, "unsubtracted": unsubtracted}
    shot = Shot.asked(view, flags, size, output, field_mm)
    injection = Injection(vein, rate_mL_s, volume_mL)
    with progress_bar(not quiet) as progress:
        facts = take(scenario, injection, shot, overrides=overrides or (), progress=progress)
    if facts["catheter"] is None and not quiet:
        talk().print("castsim: no catheter is in the image: the scenario's does not get there")
    _print_image(facts, as_json=as_json, quiet=quiet)


def _print_image(facts: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Say which image was written."""
    if as_json:
        from castsim.results import report_text

        sys.stdout.write(report_text(facts))
    elif not quiet:
        sys.stdout.write(f"Wrote {facts['file']}\n{facts['disclaimer']}\n")
