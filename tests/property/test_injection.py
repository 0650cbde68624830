"""What must hold for every network, agent and protocol."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from castsim.protocol import Pause, Step
from geometry.flowmesh import FlowMesh

quick = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
seeds = st.integers(0, 10**6)


def random_mesh(rng, n=None, pouch=True):
    """A random connected network, some of its faces with valves, perhaps with a blind pouch."""
    n = n or int(rng.integers(2, 40))
    faces = [(int(rng.integers(k)), k) for k in range(1, n)]
    faces += [tuple(rng.choice(n, 2, replace=False)) for _ in range(rng.integers(0, n))]
    faces = np.array(faces, dtype=np.int64)
    turned = rng.random(len(faces)) < 0.5
    faces[turned] = faces[turned, ::-1]
    t = int(rng.integers(1, 4)) if pouch else max(2, n // 3)
    m = len(faces)
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.05, 1.0, n),
        cell_radius=rng.uniform(0.15, 1.5, n),
        cell_centroid=rng.normal(scale=10.0, size=(n, 3)),
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        face_valve=np.where(rng.random(m) < 0.15, rng.choice([-1, 1], m), 0),
        terminal_cell=rng.choice(n, min(t, n), replace=False),
        terminal_pressure=rng.uniform(0.0, 500.0, min(t, n)),
        terminal_resistance=rng.choice([0.0, 0.5, 20.0], min(t, n)),
        terminal_kind=rng.integers(0, 3, min(t, n)),
    )


def random_agent(rng, fluid):
    return fluid(
        viscosity=10 ** rng.uniform(-2.5, -1),
        density=rng.choice([1.06e-3, 1.43e-3]),
        diffusivity=rng.choice([0.0, 3e-4]),
        diffusivity_enclosed_factor=0.333,
        diffusivity_swept_factor=2.0,
        skin_onset=1.0,
        skin_yield=rng.choice([0.0, 2e4]),
        wall_hold=300.0,
        tension=rng.choice([0.0, 0.1]),
        disorder=0.5,
        healing_time=2.0,
        sweep_ratio=300.0,
    )


def random_push(rng, fluid, push, mesh=None, **given):
    mesh = mesh or random_mesh(rng)
    volume = float(mesh.cell_volume.sum()) * rng.uniform(0.2, 1.3)
    rate = 10 ** rng.uniform(-1, 0.5)
    rest = rng.choice([0.0, 1.0, 1000.0], mesh.n_cells, p=[0.4, 0.5, 0.1])
    source = {
        "resistance": 10 ** rng.uniform(0, 5),
        "compliance": rng.choice([0.0, 5e-5]),
        "pressure_limit": 7e5,
    }
    steps = (Step(volume / 2, rate), Pause(5.0), Step(volume / 2, rate / 2))
    given = {"steps": steps, "tip": int(rng.integers(mesh.n_cells)), "source": source} | given
    given |= {"gravity": [0.0, -9810.0, 0.0], "rest_flow": rest, "seed": 5}
    agent = random_agent(rng, fluid)
    return mesh, agent, given, push(mesh, agent, **given)


@quick
@given(seed=seeds)
def test_balance(fluid, push, seed):
    mesh, _, given, run = random_push(np.random.default_rng(seed), fluid, push)
    assert run.balance_error <= 1e-9
    state = run.state
    told = state.agent_volume.sum() + state.swept.sum() + state.torn.sum()
    told += state.terminal_out.sum()
    np.testing.assert_allclose(told, run.injected, rtol=1e-9, atol=1e-12)
    # what blood sucks out of the hub comes on top; what the solvent stored there comes anyway
    planned = sum(s.volume for s in given["steps"] if isinstance(s, Step))
    source = given["source"]
    charge = source["compliance"] * given["steps"][0].rate * source["resistance"]
    assert run.injected <= max(planned, charge) + max(0.0, -run.stored) + 1e-9
    assert (state.agent_volume >= 0).all()
    assert (state.agent_volume <= mesh.cell_volume * (1 + 1e-12)).all()
    for name in ("volume", "time", "azygos", "embolised", "terminal", "hazard"):
        assert (np.diff(run.log[name]) >= -1e-12).all(), name
    assert np.isfinite(np.array(list(run.log.values()))).all()


@quick
@given(seed=seeds)
def test_agent_comes_from_a_full_neighbour(fluid, push, seed):
    """Every cell but the tip was entered through an open way from a cell that was full before."""
    rng = np.random.default_rng(seed)
    mesh, _, given, run = random_push(rng, fluid, push)
    state = run.state
    if state.torn.sum() > 0:
        return  # torn cells forget when they were full
    tip = given["tip"]
    entered = np.minimum(state.first_volume, state.first_swept)
    owner, neighbour, valve = mesh.face_owner, mesh.face_neighbour, mesh.face_valve
    for cell in np.flatnonzero(np.isfinite(entered)):
        if cell == tip:
            continue
        inwards = np.concatenate(
            [
                owner[(neighbour == cell) & (valve != -1)],
                neighbour[(owner == cell) & (valve != 1)],
            ]
        )
        assert state.full_volume[inwards].min() <= entered[cell] + 1e-9
    full = np.isfinite(state.full_volume)
    assert (state.first_volume[full] <= state.full_volume[full]).all()
    assert (state.full == full).all()
    sent = state.flow[: mesh.n_faces] * valve
    assert (sent >= -1e-9).all()


@quick
@given(seed=seeds)
def test_trapped_blood_stays(fluid, push, seed):
    """Cells without a way out by terminals and valves are never entered."""
    rng = np.random.default_rng(seed)
    mesh, _, _, run = random_push(rng, fluid, push)
    out = set(mesh.terminal_cell.tolist())
    for _ in range(mesh.n_cells):
        for a, b, valve in zip(mesh.face_owner, mesh.face_neighbour, mesh.face_valve, strict=True):
            if b in out and valve >= 0:
                out.add(int(a))
            if a in out and valve <= 0:
                out.add(int(b))
    pouch = np.array([c not in out for c in range(mesh.n_cells)])
    entered = run.state.agent_volume + run.state.swept
    assert entered[pouch].sum() == 0.0


@quick
@given(seed=seeds, share=st.floats(0.05, 0.95))
def test_two_steps_of_equal_rate_are_one(fluid, push, seed, share):
    rng = np.random.default_rng(seed)
    mesh, agent, given, _ = random_push(rng, fluid, push)
    volume = float(mesh.cell_volume.sum())
    one = push(mesh, agent, **given | {"steps": (Step(volume, 1.0),)})
    two = push(
        mesh,
        agent,
        **given | {"steps": (Step(share * volume, 1.0), Step((1 - share) * volume, 1.0))},
    )
    np.testing.assert_allclose(one.state.full_volume, two.state.full_volume, rtol=1e-9)
    np.testing.assert_allclose(one.state.agent_volume, two.state.agent_volume, atol=1e-9)


@quick
@given(seed=seeds)
def test_first_half_of_a_long_run_is_the_short_run(fluid, push, seed):
    """No step looks at the final volume: bit for bit, up to where the short run ends."""
    rng = np.random.default_rng(seed)
    mesh, agent, given, _ = random_push(rng, fluid, push)
    given["source"] = given["source"] | {"resistance": 10.0}
    volume = float(mesh.cell_volume.sum())
    short = push(mesh, agent, **given | {"steps": (Step(volume / 2, 1.0),)})
    long = push(mesh, agent, **given | {"steps": (Step(volume, 1.0),)})
    # the short run's last step is cut, and its hub discharges
    end = min(short.injected, volume / 2) * 0.98 - 0.11
    for a, b in zip(short.log.values(), long.log.values(), strict=True):
        k = int((short.log["volume"] < end).sum())
        np.testing.assert_array_equal(a[:k], b[:k])
    whole = (short.state.torn == 0) & (long.state.torn == 0)  # torn cells fill again
    early = (short.state.full_volume < end) & whole
    np.testing.assert_array_equal(short.state.full_volume[early], long.state.full_volume[early])


def renumbered(mesh, cells, faces, flip, mirror):
    """The same network: cells and faces in other orders, faces turned, mirrored in x if wished."""
    place = np.argsort(cells)  # old cell -> new cell
    owner, neighbour = place[mesh.face_owner], place[mesh.face_neighbour]
    owner, neighbour = np.where(flip, neighbour, owner), np.where(flip, owner, neighbour)
    half = np.where(flip[:, None], mesh.half_resistance[:, ::-1], mesh.half_resistance)
    sign = np.array([-1.0, 1.0, 1.0]) if mirror else np.ones(3)
    return replace(
        mesh,
        **{k: v[cells] for k, v in vars(mesh).items() if k.startswith("cell_")}
        | {k: v[faces] for k, v in vars(mesh).items() if k.startswith("face_")}
        | {
            "cell_centroid": mesh.cell_centroid[cells] * sign,
            "face_centroid": mesh.face_centroid[faces] * sign,
            "face_owner": owner[faces],
            "face_neighbour": neighbour[faces],
            "half_resistance": half[faces],
            "face_valve": np.where(flip, -mesh.face_valve, mesh.face_valve)[faces],
            "terminal_cell": place[mesh.terminal_cell],
        },
    ), place


@quick
@given(seed=seeds, mirror=st.booleans())
def test_names_and_mirrors_do_not_matter(fluid, push, seed, mirror):
    """Cells renumbered, faces turned round, left for right: the same arrivals."""
    rng = np.random.default_rng(seed)
    mesh, agent, given, run = random_push(rng, fluid, push)
    cells, faces = rng.permutation(mesh.n_cells), rng.permutation(mesh.n_faces)
    other, place = renumbered(mesh, cells, faces, rng.random(mesh.n_faces) < 0.5, mirror)
    other.validate()
    given |= {"tip": int(place[given["tip"]]), "rest_flow": given["rest_flow"][cells]}
    again = push(other, agent, **given)
    for name in ("first_volume", "full_volume", "first_time", "full_time"):
        a, b = getattr(run.state, name), getattr(again.state, name)[place]
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(run.state.agent_volume, again.state.agent_volume[place], atol=1e-9)
