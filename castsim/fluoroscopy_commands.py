"""``castsim fluoro``: simulated fluoroscopy."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castsim.command_options import CastArgument, JsonOption, QuietOption

if TYPE_CHECKING:
    from castsim.fluoroscopy import Mode


def fluoro(
    cast: CastArgument,
    view: Annotated[
        str, typer.Option("--view", metavar="VIEW", help="ap, lateral, lao30 or rao30.")
    ] = "ap",
    subtracted: Annotated[
        bool, typer.Option("--subtracted", help="The cast alone (the default).")
    ] = False,
    unsubtracted: Annotated[
        bool, typer.Option("--unsubtracted", help="The cast over bone and soft tissue.")
    ] = False,
    volume_mL: Annotated[
        float | None,
        typer.Option("--volume-mL", "--volume-ml", metavar="ML", help="Agent out of the tip; all."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.png", help="CASTDIR/fluoro-VIEW-MODE.png."),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Side of the image.")
    ] = 1024,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a cast as the fluoroscopy of a C-arm would: simulated X-rays with noise and blur."""
    from castsim.console import progress_bar, told
    from castsim.fluoroscopy_orders import Shot
    from castsim.fluoroscopy_orders import fluoro as take

    flags: dict[Mode, bool] = {"subtracted": subtracted, "unsubtracted": unsubtracted}
    shot = Shot.asked(view, flags, size, output)
    with progress_bar(not quiet) as progress:
        tell = told(progress, quiet=quiet)
        facts = take(cast, shot, volume_mL=volume_mL, progress=tell)
    _print_image(facts, as_json=as_json, quiet=quiet)


def _print_image(facts: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Say which image was written."""
    if as_json:
        from castsim.results import report_text

        sys.stdout.write(report_text(facts))
    elif not quiet:
        sys.stdout.write(f"Wrote {facts['file']}\n{facts['disclaimer']}\n")
