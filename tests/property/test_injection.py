"""What must hold for every network, agent and protocol.

Arrivals are judged by what an injection leaves behind: when agent first came to each cell and when
each cell was full, in volume out of the tip, and a log with one row a step.
"""

from dataclasses import replace

import numpy as np
from hypothesis import assume, reject
from hypothesis import strategies as st

from castsim.protocol import Pause, Step
from tests.property.strategies import ETA, cases, for_all
from tests.property.timeline import Timeline, full_volumes, ways_in, with_a_way_out

STAMPS = ("first_volume", "full_volume", "first_swept", "first_time", "full_time")
SPECK = 1e-12
"""mm3: less is not told from nothing."""
SUMS = ("agent_volume", "swept", "torn", "terminal_out")


def assert_same_arrivals(one, two, *, cells=slice(None), terminals=slice(None), tolerance=1e-9):
    """Arrivals and final volumes of two runs agree; `cells` and `terminals` renumber the second."""
    for name in (*STAMPS, *SUMS):
        order = terminals if name == "terminal_out" else cells
        first, second = getattr(one.state, name), getattr(two.state, name)[order]
        if name == "first_swept":  # what carries nothing off is round-off
            first = np.where(one.state.swept > SPECK, first, np.inf)
            second = np.where(two.state.swept[order] > SPECK, second, np.inf)
        np.testing.assert_allclose(first, second, rtol=tolerance, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(one.injected, two.injected, rtol=tolerance)
    assert one.stop_reason == two.stop_reason


def assert_unchanged(case, other, **numbers):
    """`other` is `case` told in another way, and has its arrivals.

    Some displacements are unstable: a light or thin agent fingers. There round-off grows to a
    difference, which says nothing about the kernel, so such a case is left out: one in which a
    change of 1e-12 in the viscosity of the blood moves an arrival as well. So is a body of agent
    that nothing holds and that tears, for it may tear along any of several ways. Both are asked
    only when arrivals differ.
    """
    one = case.run()
    try:
        assert_same_arrivals(one, other.run(), **numbers)
    except AssertionError:
        if one.tears and (one.state.gel[one.state.agent_volume > 0.0] == 0.0).any():
            reject()
        wiggle = 1.0 + 1e-12 * np.cos(np.arange(case.mesh.n_cells))
        nudged = replace(case, blood_viscosity=case.blood_viscosity * wiggle)
        try:
            assert_same_arrivals(one, nudged.run())
        except AssertionError:
            reject()
        raise


# ---- volume -----------------------------------------------------------------------------------


@for_all(case=cases())
def test_what_was_injected_is_found_again(case):
    run = case.run()
    state = run.state
    found = sum(getattr(state, name).sum() for name in SUMS)
    assert abs(found - run.injected) <= 1e-9 * run.injected
    assert run.balance_error <= 1e-9
    np.testing.assert_allclose(state.swept.sum() + state.torn.sum(), run.embolised, rtol=1e-12)


@for_all(case=cases())
def test_the_syringe_accounts_for_solvent_catheter_and_hub(case):
    run = case.run()
    told = (
        2.0 * case.source.dead_space
        + run.injected
        + case.source.compliance * run.log["hub_pressure"][-1]
    )
    np.testing.assert_allclose(run.syringe, told, rtol=1e-9, atol=1e-12)


@for_all(case=cases())
def test_no_more_is_injected_than_planned(case):
    """What the hub stored of the solvent's push comes anyway; suction by blood is on the hub."""
    run = case.run()
    assert run.injected + run.stored <= max(case.planned, case.charge) * (1 + 1e-9)


@for_all(case=cases())
def test_every_cell_holds_between_nothing_and_its_volume(case):
    run = case.run()
    state, volume = run.state, case.mesh.cell_volume
    for name in SUMS:
        assert (getattr(state, name) >= 0.0).all(), name
    assert (state.agent_volume <= volume).all()
    np.testing.assert_array_equal(state.agent_volume[state.full == 1], volume[state.full == 1])


@for_all(case=cases())
def test_the_log_only_grows_and_is_finite(case):
    run = case.run()
    for name in ("volume", "time", "embolised", "terminal", "hazard"):
        assert (np.diff(run.log[name]) >= -1e-12).all(), name
    assert np.isfinite(np.array(list(run.log.values()))).all()


@for_all(case=cases())
def test_no_step_injects_more_than_its_share(case):
    """At most eta of what is injected already, or of the first 10 uL."""
    volume = case.run().log["volume"]
    most = ETA * np.maximum(volume[:-1], 10.0)
    assert (np.diff(volume) <= most * (1 + 1e-9)).all()


# ---- arrivals ---------------------------------------------------------------------------------


@for_all(case=cases())
def test_agent_comes_from_a_neighbour_that_was_full(case):
    """No later than agent first came, and through a face open to agent that way."""
    run = case.run()
    full = full_volumes(run)
    entered = np.minimum(run.state.first_volume, run.state.first_swept)
    for cell in np.flatnonzero(np.isfinite(entered)):
        if cell != case.source.cell:
            assert full[ways_in(case.mesh, cell)].min(initial=np.inf) <= entered[cell]


@for_all(case=cases())
def test_agent_comes_first_and_fills_then(case):
    run = case.run()
    state = run.state
    full = full_volumes(run)
    assert (state.first_volume[np.isfinite(full)] <= full[np.isfinite(full)]).all()
    assert (state.first_volume[np.isfinite(full)] < np.inf).all()
    assert (state.full == np.isfinite(state.full_volume)).all()
    assert np.isfinite(state.first_volume[state.agent_volume > 0.0]).all()
    assert np.isfinite(state.first_swept[state.swept > 0.0]).all()
    assert (full <= run.injected)[np.isfinite(full)].all()


@for_all(case=cases())
def test_volume_and_time_tell_the_same_order(case):
    run = case.run()
    state, log = run.state, run.log
    volume = np.concatenate([state.first_volume, state.full_volume])
    time = np.concatenate([state.first_time, state.full_time])
    np.testing.assert_array_equal(np.isfinite(volume), np.isfinite(time))
    came = np.isfinite(volume)
    # a stamp lies in the step that reached its volume (log volumes repeat in pauses)
    before = np.searchsorted(log["volume"], volume[came], side="left") - 1
    after = np.searchsorted(log["volume"], volume[came], side="right")
    after = np.minimum(after, len(log["time"]) - 1)
    assert (time[came] >= log["time"][np.maximum(before, 0)] - 1e-9).all()
    assert (time[came] <= log["time"][after] + 1e-9).all()


@for_all(case=cases())
def test_agent_comes_only_to_blood_with_a_way_out(case):
    """Every arrival is in a cell from which blood could leave when its step began.

    Within the step that traps it a cell may still fill, since the fluxes of a step are frozen;
    `test_no_step_injects_more_than_its_share` bounds how much that is.
    """
    run = case.run()
    timeline = Timeline(case.mesh, run)
    for name in ("first_volume", "first_swept", "full_volume"):
        stamps = getattr(run.state, name)
        for cell in np.flatnonzero(np.isfinite(stamps)):
            assert timeline.drained(cell, stamps[cell]), (name, cell)
    for tear in run.tears:
        for cell, stamp in zip(tear.cell, tear.full_volume, strict=True):
            assert timeline.drained(cell, stamp), ("torn", cell)


@for_all(case=cases(most_steps=1, compliances=(0.0,)), share=st.floats(0.05, 0.95))
def test_trapped_blood_takes_no_more_agent(case, share):
    """Cells that are trapped when a short run ends hold the same agent at the end of a long one."""
    volume = case.steps[0].volume
    short = replace(case, steps=(replace(case.steps[0], volume=share * volume),)).run()
    long = replace(case, steps=(*short_of(case, share), replace(case.steps[0], rate=2.0))).run()
    assume(not long.tears)  # a torn cell opens ways out again
    trapped = (short.state.full == 0) & ~with_a_way_out(case.mesh, short.state.full == 1)
    for name in ("agent_volume", "swept"):
        one, two = getattr(short.state, name), getattr(long.state, name)
        np.testing.assert_array_equal(one[trapped], two[trapped])


def short_of(case, share):
    return (replace(case.steps[0], volume=share * case.steps[0].volume),)


# ---- valves -----------------------------------------------------------------------------------


@for_all(case=cases())
def test_nothing_flows_through_a_valve_the_wrong_way(case):
    run = case.run()
    mesh = case.mesh
    assert (run.state.flow[: mesh.n_faces] * mesh.face_valve >= 0.0).all()


@for_all(case=cases())
def test_agent_is_only_where_open_ways_lead_from_the_tip(case):
    run = case.run()
    mesh = case.mesh
    reached = np.zeros(mesh.n_cells, dtype=bool)
    reached[case.source.cell] = True
    for _ in range(mesh.n_cells):
        for cell in range(mesh.n_cells):
            reached[cell] |= reached[ways_in(mesh, cell)].any()
    touched = sum(getattr(run.state, name) for name in ("agent_volume", "swept", "torn"))
    assert (touched[~reached] == 0.0).all()
    assert (run.state.terminal_out[~reached[mesh.terminal_cell]] == 0.0).all()


# ---- names and mirrors ------------------------------------------------------------------------


@for_all(case=cases(exact=True), seed=st.integers(0, 2**32 - 1))
def test_relabelling_changes_no_arrival(case, seed):
    """Cells, faces, gates and terminals in other orders, and faces turned round."""
    other, cells, terminals = relabelled(case, np.random.default_rng(seed))
    other.mesh.validate()
    assert_unchanged(case, other, cells=cells, terminals=terminals)


def relabelled(case, rng):
    """The same case under other numbers, and the new numbers of its cells and terminals."""
    mesh = case.mesh
    n, m, g, t = mesh.n_cells, mesh.n_faces, mesh.n_gates, mesh.n_terminals
    cells, faces, gates, terminals = (rng.permutation(k) for k in (n, m, g, t))
    cell, gate, terminal = (np.argsort(order) for order in (cells, gates, terminals))
    flip = rng.random(m) < 0.5
    ends = cell[np.column_stack([mesh.face_owner, mesh.face_neighbour])]
    ends = np.where(flip[:, None], ends[:, ::-1], ends)
    half = np.where(flip[:, None], mesh.half_resistance[:, ::-1], mesh.half_resistance)
    new = {name: value[cells] for name, value in vars(mesh).items() if name.startswith("cell_")}
    new |= {name: value[faces] for name, value in vars(mesh).items() if name.startswith("face_")}
    new |= {name: value[gates] for name, value in vars(mesh).items() if name.startswith("gate_")}
    for name in ("cell", "pressure", "resistance", "radius", "kind", "gate"):
        new[f"terminal_{name}"] = getattr(mesh, f"terminal_{name}")[terminals]
    new |= {
        "face_owner": ends[faces, 0].copy(),
        "face_neighbour": ends[faces, 1].copy(),
        "half_resistance": half[faces],
        "face_valve": np.where(flip, -mesh.face_valve, mesh.face_valve)[faces],
        "face_gate": np.where(mesh.face_gate >= 0, gate[mesh.face_gate], mesh.face_gate)[faces],
        "terminal_cell": cell[mesh.terminal_cell][terminals],
        "terminal_gate": gate[mesh.terminal_gate][terminals],
    }
    other = replace(
        case,
        mesh=replace(mesh, **new),
        source=replace(case.source, cell=int(cell[case.source.cell])),
        rest_flow=case.rest_flow[cells],
        blood_viscosity=case.blood_viscosity[cells],
        route=cell[case.route],
    )
    return other, cell, terminal


@for_all(
    case=cases(exact=True), axis=st.sampled_from([(1, 0, 0), (0, 1, 0), (1, 2, 0), (-3, 1, 2)])
)
def test_the_mirror_image_changes_no_arrival(case, axis):
    """In any plane, gravity mirrored too."""
    normal = np.array(axis) / np.linalg.norm(axis)
    mirror = np.eye(3) - 2.0 * np.outer(normal, normal)
    mesh = case.mesh
    mirrored = replace(
        mesh,
        cell_centroid=mesh.cell_centroid @ mirror,
        face_centroid=mesh.face_centroid @ mirror,
        cell_side=-mesh.cell_side,
    )
    other = replace(case, mesh=mirrored, gravity=case.gravity @ mirror)
    assert_unchanged(case, other)


@for_all(case=cases(exact=True), shift=st.tuples(*[st.integers(-50, 50)] * 3))
def test_moving_the_patient_changes_no_arrival(case, shift):
    """Terminal pressures are reduced ones, so the place of the origin means nothing."""
    mesh = case.mesh
    moved = replace(
        mesh, cell_centroid=mesh.cell_centroid + shift, face_centroid=mesh.face_centroid + shift
    )
    assert_unchanged(case, replace(case, mesh=moved))


# ---- scaling ----------------------------------------------------------------------------------


def scaled(case, factor, *, by_density):
    """All that is a pressure `factor` times as large, at the same rates."""
    mesh, agent, source = case.mesh, case.agent, case.source
    return replace(
        case,
        mesh=replace(
            mesh,
            terminal_pressure=factor * mesh.terminal_pressure,
            terminal_resistance=factor * mesh.terminal_resistance,
        ),
        agent=replace(
            agent,
            viscosity=factor * agent.viscosity,
            density=(factor if by_density else 1.0) * agent.density,
            skin_yield=factor * agent.skin_yield,
            tension=factor * agent.tension,
            wall_hold=factor * agent.wall_hold,
        ),
        source=replace(
            source,
            resistance=factor * source.resistance,
            compliance=source.compliance / factor,
            pressure_limit=factor * source.pressure_limit,
        ),
        blood_viscosity=factor * case.blood_viscosity,
        blood_density=(factor if by_density else 1.0) * case.blood_density,
        gravity=(1.0 if by_density else factor) * case.gravity,
    )


@for_all(
    case=cases(exact=True),
    factor=st.sampled_from([3.7, 0.013, 410.0]),
    by_density=st.booleans(),
)
def test_scaling_every_pressure_changes_no_arrival(case, factor, by_density):
    assert_unchanged(case, scaled(case, factor, by_density=by_density))


@for_all(
    case=cases(most_cells=12), power=st.sampled_from([1, -1, 10, -10]), by_density=st.booleans()
)
def test_scaling_by_a_power_of_two_changes_no_bit(case, power, by_density):
    """Powers of two round nothing, so that no pressure of the kernel's own can hide."""
    assume(case.mesh.n_cells > 1)
    one, two = case.run(), scaled(case, 2.0**power, by_density=by_density).run()
    assert_same_arrivals(one, two, tolerance=0.0)
    for name in ("volume", "time"):
        np.testing.assert_array_equal(one.log[name], two.log[name])
    for name in ("tip_pressure", "hub_pressure"):
        np.testing.assert_array_equal(2.0**power * one.log[name], two.log[name])


# ---- protocols --------------------------------------------------------------------------------


@for_all(
    case=cases(exact=True), cuts=st.lists(st.sampled_from([0.5, 0.25, 0.1]), min_size=5, max_size=5)
)
def test_pushes_and_pauses_may_be_cut_in_two(case, cuts):
    """Two steps of equal rate without a pause between them are one; so are two pauses.

    `Protocol` joins them before the kernel sees them: this holds it to that.
    """
    steps = []
    for step, cut in zip(case.steps, cuts, strict=False):
        name = "volume" if isinstance(step, Step) else "duration"
        part = cut * getattr(step, name)
        steps += [
            replace(step, **{name: part}),
            replace(step, **{name: getattr(step, name) - part}),
        ]
    assert_unchanged(case, replace(case, steps=tuple(steps)))


@for_all(case=cases(limits=(7e5,)), share=st.floats(0.05, 0.95), more=st.booleans())
def test_the_first_half_of_a_long_run_is_the_short_run(case, share, more):
    """No step looks at the final volume: bit for bit, up to the step that the short run's end cuts.

    The short run ends within one of the pushes; the long one goes on with it, and perhaps with
    what follows.
    """
    pushes = [k for k, step in enumerate(case.steps) if isinstance(step, Step)]
    last = pushes[-1]
    ends = replace(case.steps[last], volume=share * case.steps[last].volume)
    short_case = replace(case, steps=(*case.steps[:last], ends))
    longer = (Pause(3.0), replace(case.steps[last], rate=2.0)) if more else ()
    short, long = short_case.run(), replace(case, steps=(*case.steps, *longer)).run()
    log = short.log
    # what the hub holds, or lacks where blood sucks, before and after each step
    hub = np.abs(log["hub_pressure"])
    stored = case.source.compliance * (hub + np.concatenate([[0.0], hub[:-1]]))
    # the first row at which the short run's last push has ended: its step was cut
    over = log["volume"] + stored >= short_case.planned * (1 - 1e-8)
    over[0] |= short_case.planned <= case.charge
    same = int(np.argmax(over)) if over.any() else len(over) - 1  # it stalled
    for name in log:
        np.testing.assert_array_equal(log[name][:same], long.log[name][:same], err_msg=name)
    if same == 0:
        return
    end = log["volume"][same - 1]
    for one, two in zip(stamps(short), stamps(long), strict=True):
        early = np.minimum(one, two) < end
        np.testing.assert_array_equal(one[early], two[early])


def stamps(run):
    return run.state.first_volume, run.state.first_swept, full_volumes(run)


# ---- pressure limit ---------------------------------------------------------------------------


@for_all(
    case=cases(exact=True, resistances=(100.0, 1e3), limits=(2e4, 5e3, 2e3)),
    factor=st.sampled_from([1.2, 2.0, 10.0, 100.0]),
    tension=st.sampled_from([300.0, 1000.0, 0.1]),
)
def test_a_higher_pressure_limit_never_injects_less(case, factor, tension):
    """What the hub stores at the end counts: it is only on its way.

    A limit tells by what it keeps shut (below it agent only flows more slowly), so thresholds here
    are about as high as the limits: 2 tension / radius is 1 to 10 kPa.
    """
    case = replace(case, agent=replace(case.agent, tension=tension))
    higher = replace(case.source, pressure_limit=factor * case.source.pressure_limit)
    one, two = case.run(), replace(case, source=higher).run()
    assert two.injected + two.stored >= one.injected + one.stored - 1e-8 * case.planned
