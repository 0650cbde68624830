"""The commands that show a saved cast: ``castsim render`` and ``castsim report``."""

from pathlib import Path
from typing import Annotated

import typer

from castsim.command_options import CastArgument, QuietOption


def render(
    cast: CastArgument,
    view: Annotated[
        str,
        typer.Option(
            "--view",
            metavar="VIEW",
            help="ap, lateral, oblique, axial, or overview: three at once.",
        ),
    ] = "ap",
    volume_mL: Annotated[
        float | None,
        typer.Option(
            "--volume-mL",
            "--volume-ml",
            metavar="ML",
            help="Cast when so much was injected; default all.",
        ),
    ] = None,
    structures: Annotated[
        str | None,
        typer.Option(
            "--structures",
            metavar="A,B",
            help="Only these besides root, tip and cast: veins (all), epidural, foraminal and what "
            "else the legend names, a vein that `castsim anatomy` lists, bone, dural sac, other "
            "roots, catheter, balloon.",
        ),
    ] = None,
    movie: Annotated[
        Path | None,
        typer.Option(
            "--movie", metavar="FILE.mp4|.gif", help="The injection in equal steps of volume."
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option("--frames", metavar="N", help="Pictures of the movie; default 61."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WxH",
            help="Pixels, 640x400 at least; default 1600x1000, a movie 1280x800.",
        ),
    ] = None,
    theme: Annotated[
        str, typer.Option("--theme", metavar="THEME", help="light, dark or print.")
    ] = "light",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.png", help="Default CASTDIR/view-VIEW.png."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Draw a cast that `castsim run` has written, from any side, at any volume, or as a movie."""
    from castsim.drawing import Order

    order = Order.checked(
        cast,
        view=view,
        volume_mL=volume_mL,
        structures=structures,
        movie=movie,
        frames=frames,
        size=size,
        theme=theme,
        output=output,
    )
    from castsim.console import print_written, progress_bar, told
    from castsim.drawing import carry_out

    with progress_bar(not quiet) as progress:
        written = carry_out(order, told(progress, quiet=quiet))
    if not quiet:
        print_written(written)


def report(
    cast: CastArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Default CASTDIR/report.html."),
    ] = None,
    no_render: Annotated[
        bool, typer.Option("--no-render", help="Leave the pictures of the cast out.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Write one offline page about a cast: summary, pictures, curves, veins, assumptions."""
    from castsim.cast_report import write_report
    from castsim.console import print_written, progress_bar, talk, told

    with progress_bar(not quiet) as progress:
        written = write_report(cast, output, told(progress, quiet=quiet), render=not no_render)
    for note in written.notes:
        talk().print(f"castsim: {note}", markup=False, soft_wrap=True)
    if not quiet:
        print_written([written.path])
