"""Proves that a plan fits its machine, that a slower machine never gets a better plan, and how plans are described."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.scheduling.plan import FRAME_RATES, HOPELESS, MAX_LOAD_SHARE, SIZES, Rung, StageCosts, plan_for
from streaming.units import STEP_TICKS, TICK_RATE

FAST = StageCosts(0.02, 0.001, {512: 0.005, 384: 0.003, 256: 0.0015}, {512: 0.003, 384: 0.002, 256: 0.001})


def slower(costs: StageCosts, times: float) -> StageCosts:
    """The costs of a machine that is so many times slower."""
    return StageCosts(
        costs.recognize * times,
        costs.decode * times,
        {size: seconds * times for size, seconds in costs.render.items()},
        {size: seconds * times for size, seconds in costs.encode.items()},
    )


seconds = st.floats(1e-5, 0.2)
factors = st.floats(1, 10)


@st.composite
def costs(draw: st.DrawFn) -> StageCosts:
    """Costs of any machine; larger frames cost more."""
    render, encode = (sorted((draw(seconds) for _ in SIZES), reverse=True) for _ in range(2))
    by_size = (dict(zip(SIZES, column, strict=True)) for column in (render, encode))
    return StageCosts(draw(st.floats(0.001, 1)), draw(seconds), *by_size)


@pytest.mark.parametrize(
    ("times", "best"),
    [(1, Rung(512, 30)), (4, Rung(384, 30)), (6, Rung(256, 30)), (8, Rung(256, 20)), (10, Rung(256, 15))],
)
def test_smaller_frames_come_before_fewer(times: float, best: Rung) -> None:
    plan = plan_for(slower(FAST, times), cores=2)
    assert plan.best == best and plan.feasible


@given(costs(), factors, st.floats(0.1, 8), st.booleans())
def test_a_slower_machine_never_gets_larger_frames_or_more_of_them(
    costs: StageCosts, times: float, cores: float, fixed: bool
) -> None:
    fast, slow = (plan_for(each, cores, fixed=fixed) for each in (costs, slower(costs, times)))
    assert slow.best.size <= fast.best.size and slow.best.frame_rate <= fast.best.frame_rate
    assert fast.feasible or not slow.feasible


@given(costs(), st.floats(0.1, 8), factors)
def test_more_processors_are_never_worse(costs: StageCosts, cores: float, times: float) -> None:
    few, many = plan_for(costs, cores), plan_for(costs, cores * times)
    assert many.best.size >= few.best.size and many.best.frame_rate >= few.best.frame_rate


@given(costs(), st.floats(0.1, 8), st.booleans())
def test_a_feasible_plan_leaves_room_and_its_budget_covers_a_frame(
    costs: StageCosts, cores: float, fixed: bool
) -> None:
    plan = plan_for(costs, cores, fixed=fixed)
    assert plan.feasible == (costs.load(plan.best, cores) < HOPELESS)
    assert costs.load(plan.best, cores) <= MAX_LOAD_SHARE or plan.best.frame_rate == 10
    if plan.feasible:
        assert plan.budget / TICK_RATE >= costs.frame(plan.best.size)


def test_half_a_processor_halves_what_can_be_done() -> None:
    assert plan_for(FAST, 0.5).best == Rung(384, 30)
    assert plan_for(slower(FAST, 0.5), 0.5).best == plan_for(FAST, 1.0).best
    assert not plan_for(FAST, 0.02).feasible


def test_a_size_that_is_asked_for_stays_at_a_lower_rate() -> None:
    assert plan_for(slower(FAST, 4), 2, fixed=True).best == Rung(512, 20)
    assert plan_for(slower(FAST, 4), 2, (256,), fixed=True).best == Rung(256, 30)


def test_below_the_plan_frames_become_smaller_then_fewer_then_sessions_are_rejected() -> None:
    rungs = plan_for(FAST, 2).rungs()
    assert rungs[:-1] == [Rung(512, 30), Rung(384, 30), Rung(256, 30), Rung(256, 20), Rung(256, 15), Rung(256, 10)]
    assert rungs[-1] == replace(rungs[-2], admits=False)
    assert [(r.size, r.frame_rate) for r in plan_for(slower(FAST, 8), 2).rungs()] == [
        (256, 20), (256, 15), (256, 10), (256, 10)
    ]  # fmt: skip


def test_every_rate_is_a_whole_number_of_steps() -> None:
    assert all(TICK_RATE % rate == 0 and TICK_RATE // rate % STEP_TICKS == 0 for rate in FRAME_RATES)


def test_a_plan_is_described_in_plain_words() -> None:
    assert plan_for(FAST, 2).described() == "512 px at 30 frames per second, 10 ms of 33 ms"
    hopeless = plan_for(slower(FAST, 100), 2)
    assert not hopeless.feasible
    assert hopeless.described() == (
        "This machine is too slow for calls: a frame of 256 px takes 550 ms, "
        "and 2 CPU cores cannot render 10 frames per second."
    )
