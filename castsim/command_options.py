"""Arguments and options that several commands have, so that they mean the same everywhere."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Name of a bundled scenario, or a TOML file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set any field; may be repeated."),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        max=2**63 - 1,
        help="Seed of the injection; the scenario's own by default.",
    ),
]


class MeshKind(Enum):
    """The values of the scenario's mesh.kind."""

    CENTRELINE = "centreline"
    VOXEL = "voxel"


MeshOption = Annotated[
    MeshKind | None,
    typer.Option(
        "--mesh",
        help="voxel: wide veins near the target as cubes, in which agent can lie on the floor; "
        "10 to 60 s instead of one (mesh.kind).",
    ),
]
CubeOption = Annotated[
    float | None,
    typer.Option("--spacing-mm", metavar="MM", help="Side of the cubes; 0.3 (mesh.spacing_mm)."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")
]
NoRenderOption = Annotated[
    bool, typer.Option("--no-render", help="Draw nothing: no picture and no page.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="Print no table and no progress; errors are still told.")
]

DrawsOption = Annotated[
    int, typer.Option("--draws", metavar="N", help="Random patients to inject into.")
]
StudySeedOption = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Seed of all random draws."),
]
PriorsOption = Annotated[
    Path | None,
    typer.Option("--priors", metavar="FILE", help="TOML file of priors that replace bundled ones."),
]
LargestOption = Annotated[
    float | None,
    typer.Option(
        "--up-to-ml", metavar="ML", min=0.1, max=20.0, help="Inject every draw so far; default 2.0."
    ),
]
CoverageOption = Annotated[
    float | None,
    typer.Option(
        "--coverage-deg",
        metavar="DEG",
        min=1.0,
        max=360.0,
        help="What counts as covered; default 330.",
    ),
]
IndicesOption = Annotated[
    int,
    typer.Option(metavar="N", help="Draws to run again, once for each input, for Sobol' indices."),
]
AzygosOption = Annotated[
    float | None,
    typer.Option(
        "--azygos-ml",
        metavar="ML",
        min=0.001,
        max=20.0,
        help="Reflux that is not tolerated; default 0.01.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="A Dask scheduler, such as tcp://host:8786; default this machine.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, help="Processes on this machine; default one a core."
    ),
]
CastArgument = Annotated[
    Path,
    typer.Argument(metavar="CASTDIR", help="Folder that `castsim run` has written, as casts/…"),
]
