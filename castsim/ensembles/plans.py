"""Plan and compare: from a scenario to what an ensemble says about it, in one call each."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from castsim.ensembles.engine import Progress, run_study
from castsim.ensembles.indices import index_stores
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.priors import Prior, bundled_priors
from castsim.ensembles.store import Store
from castsim.ensembles.study import Study, all_different, check_asked, load_arm
from castsim.ensembles.targets import Targets
from castsim.errors import ScenarioError
from castsim.scenario import Scenario


def plan(
    scenario: Scenario | str | Path,
    *,
    draws: int = 1000,
    seed: int = 0,
    folder: str | Path | None = None,
    targets: Targets | None = None,
    largest_mL: float | None = None,
    priors: tuple[Prior, ...] | None = None,
    indices: int = 0,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Inject into many random patients, and read the volume to inject from it.

    Parameters
    ----------
    scenario : or its name, or the path of its file
    draws : random patients, each under random conditions
    seed : of all of them
    folder : where finished draws are kept, and taken up again; None: nowhere after this process
    targets : what counts as covered and safe; None: those of ``plan_targets.csv``
    largest_mL : volume up to which every draw is injected
    priors : of what is drawn; None: those of ``priors.toml``
    indices : draws that are run again, once for each input, to estimate Sobol' indices
    scheduler : address of a Dask scheduler; None: one on this machine, for as long as it takes
    workers : processes on this machine; None: one a core
    progress : told the draws done and asked for

    Raises
    ------
    ScenarioError
        If `draws` is below 1, `indices` above `draws`, `seed` below 0, `largest_mL` no volume of
        at least one step of the grid, or the scenario cannot be used.
    ResultError
        If the folder holds another plan, or cannot be written.
    MissingError
        If the scheduler cannot be reached.
    """
    given = scenario if isinstance(scenario, Scenario) else load_arm(scenario)
    plans = compare(
        {given.name: given},
        draws=draws,
        seed=seed,
        folder=folder,
        targets=targets,
        largest_mL=largest_mL,
        priors=priors,
        indices=indices,
        scheduler=scheduler,
        workers=workers,
        progress=progress,
    )
    return plans[given.name]


def compare(
    arms: Mapping[str, Scenario],
    *,
    draws: int = 1000,
    seed: int = 0,
    folder: str | Path | None = None,
    targets: Targets | None = None,
    largest_mL: float | None = None,
    priors: tuple[Prior, ...] | None = None,
    indices: int = 0,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Plan]:
    """Inject in several ways into the same random patients; a plan for each label of `arms`.

    Parameters and errors as for :func:`plan`.

    Raises
    ------
    ScenarioError
        Also if there is no arm, or two say the same or are run the same.
    """
    if not arms:
        raise ScenarioError("no way to inject is given; name an arm or more")
    largest = check_asked(draws, indices, seed, largest_mL)
    if len(arms) > 1:
        all_different(arms)
    study = Study(
        arms=arms,
        priors=bundled_priors() if priors is None else priors,
        seed=seed,
        largest_mL=largest,
    )
    store = Store(_until_exit() if folder is None else Path(folder), study)
    more = index_stores(store, indices)
    run_study(store, draws, scheduler=scheduler, workers=workers, progress=progress, more=more)
    wanted = Targets.default() if targets is None else targets
    return {label: make_plan(store, label, draws, wanted, index_rows=indices) for label in arms}


def _until_exit() -> Path:
    """Make a folder that lives as long as this process: plans read their draws from it."""
    folder = Path(tempfile.mkdtemp(prefix="castsim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
