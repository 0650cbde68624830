"""Store: what is there is read whole or made again, and what is something else is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from castsim.ensembles.columns import KILLED, Outcome
from castsim.ensembles.sampling import draws
from castsim.ensembles.store import CHUNK, MANIFEST, Store, parquet_bytes
from castsim.ensembles.study import Study, load_arm
from castsim.errors import ResultError
from tests.reliability.ensembles import digest, made, study

ARMS = ("right-t9", "left-t10")


def outcomes(of: Study, first: int, last: int) -> list[Outcome]:
    return [made(of, draw, arm) for draw in draws(of, first, last) for arm in of.arms]


def filled(folder: Path, n_draws: int, of: Study | None = None) -> Store:
    store = Store(folder, of or study())
    with store.writing():
        for first, last in store.missing(n_draws):
            store.add(outcomes(store.study, first, last))
    return store


def test_nothing_is_made_before_it_is_written(tmp_path: Path) -> None:
    assert Store(tmp_path / "a" / "b", study()).missing(40) == [(0, CHUNK), (CHUNK, 40)]
    assert not list(tmp_path.iterdir())


def test_arms_and_draws_come_in_order(tmp_path: Path) -> None:
    of = study(arms=ARMS)
    store = Store(tmp_path, of)
    with store.writing():
        store.add(outcomes(of, 0, CHUNK)[::-1])
    assert store.chunk(0).read_bytes() == parquet_bytes(of, outcomes(of, 0, CHUNK))
    table = store.read(["arm"], 3)
    assert table["draw"].to_pylist() == [0, 0, 1, 1, 2, 2]
    assert table["arm"].to_pylist() == list(ARMS) * 3


def test_more_draws_add_and_fewer_read_the_first(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", CHUNK + 5)
    assert store.missing(CHUNK + 5) == store.missing(3) == []
    assert store.missing(CHUNK + 6) == [(CHUNK, CHUNK + 6)]
    assert len(store.read([], 3)) == 3
    filled(tmp_path / "x", 2 * CHUNK)
    filled(tmp_path / "whole", 2 * CHUNK)
    assert digest(tmp_path / "x") == digest(tmp_path / "whole")


def test_a_draw_whose_workers_were_killed_is_tried_again(tmp_path: Path) -> None:
    of = study(arms=ARMS)
    whole = filled(tmp_path / "whole", 2 * CHUNK, of)
    store, unlucky = Store(tmp_path / "x", of), CHUNK + 5
    with store.writing():
        for first in (0, CHUNK):
            store.add(
                [
                    replace(one, error=KILLED if one.draw == unlucky else "SolverError: its own")
                    if one.draw in (3, unlucky)
                    else one
                    for one in outcomes(of, first, first + CHUNK)
                ]
            )
    # one that failed for a reason of its own has failed; nor is it asked for again before its turn
    assert store.missing(2 * CHUNK) == [(CHUNK, 2 * CHUNK)]
    assert store.missing(unlucky) == []
    # fewer draws than there are do not make the chunk that is tried again any shorter
    assert store.missing(unlucky + 1) == [(CHUNK, 2 * CHUNK)]
    filled(tmp_path / "x", unlucky + 1, of)
    assert store.missing(2 * CHUNK) == []
    assert store.chunk(CHUNK).read_bytes() == whole.chunk(CHUNK).read_bytes()
    filled(tmp_path / "x", 2 * CHUNK, of)
    assert store.missing(2 * CHUNK) == []
    assert store.chunk(CHUNK).read_bytes() == whole.chunk(CHUNK).read_bytes()


@pytest.mark.parametrize("damage", ["short", "empty", "flipped", "foreign", "moved"])
def test_a_damaged_chunk_is_made_again(damage: str, tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 2 * CHUNK)
    before = digest(tmp_path / "x")
    path = store.chunk(CHUNK)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 1
    path.write_bytes(
        {
            "short": bytes(content[:-9]),
            "empty": b"",
            "flipped": bytes(content),
            "foreign": filled(tmp_path / "y", CHUNK, study(arms=ARMS)).chunk(0).read_bytes(),
            "moved": store.chunk(0).read_bytes(),
        }[damage]
    )
    assert store.missing(2 * CHUNK) == [(CHUNK, 2 * CHUNK)]
    filled(tmp_path / "x", 2 * CHUNK)
    assert digest(tmp_path / "x") == before


def test_reading_what_is_not_there_is_told(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 4)
    store.chunk(0).write_bytes(b"")
    with pytest.raises(ResultError, match=r"00000000\.parquet: cannot be read; the same command"):
        store.read([], 4)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (study(seed=1), "seed was 0, now 1"),
        (study(largest_mL=0.2), "largest_mL was 0.1, now 0.2"),
        (study(arms=ARMS), "arms.left-t10.*was not set, now"),
        (replace(study(), priors=study().priors[1:]), r"priors\..* was '.*', now not set"),
        (
            replace(
                study(),
                priors=(
                    study().priors[0].model_copy(update={"maximum": 9.5}),
                    *study().priors[1:],
                ),
            ),
            r"priors\.\S+\.maximum was .*, now 9.5",
        ),
    ],
)
def test_another_study_is_refused_and_the_difference_named(
    other: Study, told: str, tmp_path: Path
) -> None:
    filled(tmp_path / "x", 1)
    before = digest(tmp_path / "x")
    with pytest.raises(ResultError, match=f"holds another plan: {told}.*choose another -o"):
        Store(tmp_path / "x", other)
    assert digest(tmp_path / "x") == before


def with_arm(*overrides: str) -> Study:
    return replace(study(), arms={"right-t9": load_arm("right-t9", overrides)})


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (study(arms=ARMS), study(arms=ARMS[::-1]), "order of priors or arms differs"),
        (
            study(),
            replace(study(), priors=study().priors[::-1]),
            "order of priors or arms differs",
        ),
        (
            with_arm(),
            with_arm("injection.rules=[]"),
            r"arms\.right-t9\.injection\.rules was not set, now \[\]",
        ),
        (
            with_arm("model={}"),
            with_arm(),
            r"arms\.right-t9\.model was \{\}, now not set",
        ),
    ],
)
def test_order_and_what_is_empty_make_another_study(
    one: Study, other: Study, told: str, tmp_path: Path
) -> None:
    filled(tmp_path, 1, one)
    assert Store(tmp_path, one).missing(1) == []
    with pytest.raises(ResultError, match=f"holds another plan: {told}; choose another -o"):
        Store(tmp_path, other)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"version": "0.0.1"}, r"version was '0\.0\.1', now '\d"),
        ({"code": "ab" * 32}, r"code was 'abababababab', now '[0-9a-f]{12}',"),
        ({"code": None}, r"code was not set, now '[0-9a-f]{12}',"),
    ],
)
def test_draws_of_two_states_of_the_code_do_not_mix(
    other: dict[str, str | None], told: str, tmp_path: Path
) -> None:
    filled(tmp_path, 1)
    content = json.loads((tmp_path / MANIFEST).read_text("utf-8")) | other
    kept = {key: value for key, value in content.items() if value is not None}
    (tmp_path / MANIFEST).write_text(json.dumps(kept), "utf-8")
    before = digest(tmp_path)
    remedy = "choose another -o, remove the folder to draw anew, or go on with the castsim"
    with pytest.raises(ResultError, match=f"draws are of another castsim: {told}.*{remedy}"):
        Store(tmp_path, study())
    assert digest(tmp_path) == before


def test_a_manifest_that_is_damaged_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (tmp_path / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(ResultError, match=r"study\.json: cannot be read"):
        Store(tmp_path, study())


def test_places_that_are_taken(tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("a file in the way")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    before = digest(tmp_path)
    for taken in ("wall", "thesis"):
        with pytest.raises(ResultError, match=f"{taken}: exists and is no plan of castsim"):
            Store(tmp_path / taken, study())
    with pytest.raises(ResultError, match=r"cannot be used: .*wall is no writable folder"):
        filled(tmp_path / "wall" / "below", 1)
    assert digest(tmp_path) == before


def test_what_a_killed_beginning_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / f".{MANIFEST}.0123abcd.part").write_text("half")
    filled(tmp_path / "x", 1)
    (tmp_path / "x" / "draws" / ".00000000.parquet.0123abcd.part").write_text("half")
    filled(tmp_path / "x", 1)
    filled(tmp_path / "whole", 1)
    assert digest(tmp_path / "x") == digest(tmp_path / "whole")
