"""Faults that the check of an optimizer once accepted, and right optimizers that it once refused."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import Affine, Array, Report, check_optimizer, rules, tree
from strategies import seeded

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng

Init = Callable[[Any], Any]
Step = Callable[[Any, Any, Any], tuple[Any, Any]]


def nothing(params: Any) -> Any:
    return 0


def counted(make: Init) -> Init:
    return lambda params: (0, make(params))


@frozen
class Steps:
    """An optimizer of two functions; by default its state is the number of steps."""

    step: Step
    init: Init = nothing


def report_of(optimizer: Any, seed: int = 0, dtype: Any = np.float64, only: str | None = None) -> Report:
    rng = RNG(seed)
    params, grads = (rng.standard_normal((5, 3)).astype(dtype) for _ in range(2))
    return check_optimizer(optimizer, params, grads, rng=rng, only=only and [only])


def rated(rate: Callable[[int], float]) -> Steps:
    return Steps(lambda count, p, g: (p - p.dtype.type(rate(count)) * g, count + 1))


def looking_ahead(every: int, copied: bool) -> Steps:
    def step(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
        count, slow = state
        new = p - 0.1 * g
        if (count + 1) % every == 0:
            new = slow + 0.5 * (new - slow)
            return new, (count + 1, new.copy() if copied else new)
        return new, (count + 1, slow.copy())

    return Steps(step, counted(np.copy))


def writing_late(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    count, velocity = state
    if count < 2:
        velocity = 0.9 * velocity + g
    else:
        velocity *= 0.9
        velocity += g
    return p - 0.01 * velocity, (count + 1, velocity)


def growing_late(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return p - 0.1 * g, (state[0] + 1, *([] if state[0] < 2 else [g.copy()]))


def promoting_late(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    share = p.dtype.type(0.9) if state[0] < 2 else np.float64(0.9)
    return p - p.dtype.type(0.1) * g, (state[0] + 1, state[1] * share)


def promoting_the_state(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    velocity = np.float64(0.9) * state + g
    return (p - 0.01 * velocity).astype(p.dtype), velocity


class ByIdentity:
    """Its steps are remembered by the identity of the gradients."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}

    def init(self, params: Any) -> Any:
        return 0

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        _, move = self.known.setdefault(id(grads), (grads, 0.1 * grads))
        return params - move, state


class Counting:
    """Which counts its steps outside the state: init begins anew."""

    def init(self, params: Any) -> Any:
        self.count = 0
        return 0

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        self.count += 1
        return params - (0.1 if self.count < 30 else 0.01) * grads, state + 1


class Halving:
    """Which halves its rate outside the state after a hundred steps."""

    def __init__(self) -> None:
        self.rate = 0.1

    def init(self, params: Any) -> Any:
        return 0

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        rate = self.rate
        if state == 100:
            self.rate /= 2
        return params - rate * grads, state + 1


def in_order_of_memory(count: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return (p.ravel(order="K") - 0.1 * g.ravel(order="K")).reshape(p.shape), count


def of_bytes(count: Any, p: Array, g: Array) -> tuple[Any, Any]:
    return p - 0.1 * np.frombuffer(g.tobytes("A"), g.dtype).reshape(g.shape), count


def kept_without_gradients(count: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return (p - 0.1 * g if g.any() else p), count


def stopped_by_a_zero(count: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return (p - 0.1 * g if g.all() else p.copy()), count


def reset_by_a_zero(velocity: Any, p: Any, g: Any) -> tuple[Any, Any]:
    new = 0.9 * velocity + g if g.all() else g.copy()
    return p - 0.01 * new, new


def by_its_norm(xp: rules.Namespace, rate: Any, param: Array, grad: Array, moments: Any) -> Any:
    return param - rate * grad / (1 + np.linalg.norm(grad)), ()


def entry_unused_after(steps: int) -> Steps:
    def step(count: int, p: Any, g: Any) -> tuple[Any, Any]:
        used: Any = np.not_equal(np.array(range(g.size)), 2).reshape(g.shape) | (count < steps)
        return p - p.dtype.type(0.05) * g * used, count + 1

    return Steps(step)


def one_sided_after_3(count: int, p: Any, g: Any) -> tuple[Any, Any]:
    return p - p.dtype.type(0.05) * (g if count < 3 else np.maximum(g, 0)), count + 1


def velocity_never_stored(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    count, velocity = state
    return p - p.dtype.type(0.05) * (velocity if count else g), (count + 1, velocity.copy())


def decayed_away(count: int, p: Any, g: Any) -> tuple[Any, Any]:
    """Its decay before the sign has the wrong sign."""
    return p - p.dtype.type(0.01) * np.sign(g - p.dtype.type(0.01) * p), count + 1


def entry_unused_before_a_sign(count: int, p: Any, g: Any) -> tuple[Any, Any]:
    used: Any = np.not_equal(np.array(range(g.size)), 2).reshape(g.shape)
    return p - p.dtype.type(0.01) * np.sign(g * used + p.dtype.type(0.01) * p), count + 1


def in_fortrans_order_in_place(count: Any, p: Array, g: Array) -> tuple[Any, Any]:
    if p.flags.c_contiguous:
        return p - 0.1 * g, count
    p -= 0.1 * g
    return p, count


def locking(count: Any, p: Array, g: Array) -> tuple[Any, Any]:
    p.flags.writeable = False
    return p - p.dtype.type(0.1) * g, count


def given_back_where_large(count: Any, p: Array, g: Array) -> tuple[Any, Any]:
    return (p if np.linalg.norm(g) > 1e3 else p - p.dtype.type(0.1) * g), count


WRONG: dict[str, tuple[Callable[[], Any], str, str]] = {
    "negative gradients unused after step 3": (
        lambda: Steps(one_sided_after_3),
        "follows_gradient",
        "after some steps gradients of one sign have no effect",
    ),
    "up the gradient at step 2": (
        lambda: rated(lambda t: -0.05 if t == 1 else 0.05),
        "follows_gradient",
        "at step 2 a number goes along its gradient",
    ),
    "growth before a sign": (
        lambda: Steps(decayed_away),
        "follows_gradient",
        "under a gradient of zero it moves away from 0",
    ),
    "a rate that grows by 1%": (lambda: rated(lambda t: 0.01 * 1.01**t), "descends", "the minimum moves"),
    "a rate that grows by 2%": (lambda: rated(lambda t: 0.01 * 1.02**t), "descends", "the minimum moves"),
    "a rate that grows by as much each step": (
        lambda: rated(lambda t: 0.01 * (1 + t)),
        "descends",
        "the minimum moves",
    ),
    "up the gradient in the end": (lambda: rated(lambda t: 0.1 if t < 950 else -3.0), "descends", "on a quadratic"),
    "a result in the state at step 2": (lambda: looking_ahead(2, copied=False), "step_purity", "at step 2"),
    "a result in the state at step 10": (lambda: looking_ahead(10, copied=False), "step_purity", "at step 10"),
    "a state written to": (lambda: Steps(writing_late, counted(np.zeros_like)), "step_purity", "state, at step 3"),
    "a state that gets an array": (
        lambda: Steps(growing_late, lambda p: (0,)),
        "step_structure",
        "became tuple(int, f64[5, 3]), at step 3",
    ),
    "a state that is promoted": (
        lambda: Steps(promoting_late, counted(np.ones_like)),
        "step_structure",
        "in float32: was tuple(int, f32[5, 3]), became tuple(int, f64[5, 3]), at step 3",
    ),
    "parameters promoted in float32": (
        lambda: Steps(lambda s, p, g: (p - np.float64(0.1) * g, s)),
        "step_structure",
        "in float32: was f32[5, 3], became f64[5, 3]",
    ),
    "a velocity promoted in float32": (
        lambda: Steps(promoting_the_state, np.zeros_like),
        "step_structure",
        "in float32: was f32[5, 3], became f64[5, 3]",
    ),
    "steps by identity": (ByIdentity, "step_purity", "is it kept by identity?"),
    "parameters returned without gradients": (
        lambda: Steps(kept_without_gradients),
        "step_purity",
        "where all gradients are 0",
    ),
    "the order of memory": (lambda: Steps(in_order_of_memory), "elementwise", "in another memory layout are mixed up"),
    "the bytes of memory": (lambda: Steps(of_bytes), "elementwise", "in another memory layout are mixed up"),
    "a count that init sets to 0": (Counting, "step_purity", "is something kept outside the state?"),
    "a rate halved outside the state": (Halving, "step_purity", "is something kept outside the state?"),
    "one 0 stops all": (lambda: Steps(stopped_by_a_zero), "elementwise", "a gradient of 0 changes the steps of other"),
    "one 0 takes all momenta": (
        lambda: Steps(reset_by_a_zero, np.zeros_like),
        "elementwise",
        "a gradient of 0 changes the steps of other",
    ),
    "a norm by the rules": (
        lambda: rules.optimizer("by_its_norm", by_its_norm, 0.1),
        "elementwise",
        "by the rules each is treated alone",
    ),
    "what it may write to": (lambda: Steps(in_fortrans_order_in_place), "step_purity", "for arrays in Fortran's order"),
    "locked": (lambda: Steps(locking), "step_purity", "a call made one of its arguments read-only"),
    "given back": (lambda: Steps(given_back_where_large), "step_purity", "for large gradients"),
}


def by_its_size(count: Any, p: Array, g: Array) -> tuple[Any, Any]:
    return p - p.dtype.type(0.1 * np.linalg.norm(p) / (np.linalg.norm(g) + 1e-9)) * g, count


def test_of_an_array_of_zeros_that_stays_so_it_cannot_be_told() -> None:
    report = report_of(Steps(by_its_size), only="follows_gradient")
    assert not report.failures
    (verdict,) = report.undecided
    assert verdict.note.startswith("an array of zeros stays there for ever")


def assert_found(case: tuple[Callable[[], Any], str, str], seed: int) -> None:
    """One law alone rejects an optimizer, and says of it what it is to say."""
    make, law, words = case
    report = report_of(make(), seed)
    assert {verdict.law for verdict in report.failures} == {law}, str(report)
    assert words in report.failures[0].note


@pytest.mark.parametrize(("name", "seed"), seeded(WRONG))
def test_what_is_wrong_is_found_by_its_law_alone(name: str, seed: int) -> None:
    assert_found(WRONG[name], seed)


def accumulating(every: int) -> Steps:
    def step(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
        count, total = state
        total = total + g
        if count < every - 1:
            return p.copy(), (count + 1, total)
        return p - p.dtype.type(0.1 / every) * total, (0, np.zeros_like(g))

    return Steps(step, counted(np.zeros_like))


def divided_by_its_norm(count: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return p - p.dtype.type(0.1) * g / np.sqrt((g * g).sum() + p.dtype.type(1e-8)), count


def clipped_by_its_norm(count: Any, p: Any, g: Array) -> tuple[Any, Any]:
    return p - p.dtype.type(0.1 * min(1.0, 1 / float(np.linalg.norm(g) + 1e-8))) * g, count


def adadelta(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    """Its steps under a steady gradient grow by a root of their number."""
    squares = 0.9 * state[0] + 0.1 * g * g
    step = np.sqrt(state[1] + 1e-6) / np.sqrt(squares + 1e-6) * g
    return p - step, (squares, 0.9 * state[1] + 0.1 * step * step)


def before_adam(decay: float, rate: float) -> Steps:
    """Adam whose decay is added to the gradient, as that of torch."""

    def step(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
        count, m, v = state
        g = g + p.dtype.type(decay) * p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        scale, root = 1 / (1 - 0.9 ** (count + 1)), 1 / (1 - 0.999 ** (count + 1))
        return p - rate * scale * m / (np.sqrt(root * v) + 1e-8), (count + 1, m, v)

    return Steps(step, lambda p: (0, np.zeros_like(p), np.zeros_like(p)))


def before_a_sign(decay: float, beta: float, rate: float = 0.01) -> Steps:
    def step(m: Any, p: Any, g: Any) -> tuple[Any, Any]:
        m = beta * m + (1 - beta) * (g + p.dtype.type(decay) * p)
        return p - p.dtype.type(rate) * np.sign(m), m

    return Steps(step, np.zeros_like)


def by_trust(state: Any, p: Array, g: Array) -> tuple[Any, Any]:
    """LARS with decay."""
    size, slope = float(np.linalg.norm(p)), float(np.linalg.norm(g))
    rate = 0.1 * size / (slope + 0.01 * size) if size > 0 and slope > 0 else 1.0
    velocity = 0.9 * state + p.dtype.type(0.01 * rate) * (g + p.dtype.type(0.01) * p)
    return p - velocity, velocity


def looking_from_a_step_up(state: Any, p: Any, g: Array) -> tuple[Any, Any]:
    """Sharpness-aware: up the gradient first, and then from where it was against the gradient there."""
    count, kept = state
    if count % 2 == 0:
        return p + p.dtype.type(0.05) * g / (np.linalg.norm(g) + p.dtype.type(1e-12)), (count + 1, p.copy())
    return kept - p.dtype.type(0.1) * g, (count + 1, kept.copy())


def first_and_fifty(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    count, total = state
    total = total + g
    if count % 50:
        return p.copy(), (count + 1, total)
    return p - p.dtype.type(0.001) * total, (count + 1, np.zeros_like(g))


def back_and_slower(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    """Rprop."""
    size, last = state
    turn: Any = np.sign(g * last)
    faster, slower = np.minimum(1.2 * size, 1), np.maximum(0.5 * size, 1e-6)
    size = ((turn > 0) * faster + (turn < 0) * slower + (turn == 0) * size).astype(p.dtype)
    g = np.where(turn < 0, 0, g).astype(p.dtype)
    return p - size * np.sign(g), (size, g)


RIGHT: dict[str, Callable[[], Any]] = {
    "decay before adam": partial(before_adam, 0.01, 0.001),
    "little decay before adam": partial(before_adam, 1e-4, 0.001),
    "decay before adam, at a large rate": partial(before_adam, 0.01, 0.1),
    "much decay before adam, at a large rate": partial(before_adam, 1.0, 0.1),
    "decay before a sign": partial(before_a_sign, 0.01, 0.0),
    "much decay before a sign": partial(before_a_sign, 1.0, 0.0),
    "decay before the sign of a mean": partial(before_a_sign, 0.1, 0.9),
    "decay and a trust ratio": lambda: Steps(by_trust, np.zeros_like),
    "three steps and no more": lambda: rated(lambda t: 0.05 * (t < 3)),
    "looking from a step up": lambda: Steps(looking_from_a_step_up, counted(np.copy)),
    "rprop": lambda: Steps(back_and_slower, lambda p: (np.full_like(p, 0.01), np.zeros_like(p))),
    "six gradients for a step": partial(accumulating, 6),
    "eight gradients for a step": partial(accumulating, 8),
    "fifty gradients for a step": partial(accumulating, 50),
    "a hundred gradients for a step": partial(accumulating, 100),
    "a start after 10 steps": lambda: rated(lambda t: 0.1 * (t >= 10)),
    "a start after 50 steps": lambda: rated(lambda t: 0.1 * (t >= 50)),
    "a start after 500 steps": lambda: rated(lambda t: 0.1 * (t >= 500)),
    "warming up by a cosine": lambda: rated(lambda t: 0.05 * (1 - math.cos(math.pi * min(t, 200) / 200))),
    "warming up by a power": lambda: rated(lambda t: 0.1 * min((t / 300) ** 3, 1.0)),
    "warming up by powers of a number": lambda: rated(lambda t: 1e-6 * 1e5 ** min(t / 200, 1.0)),
    "warming up for a thousand steps": lambda: rated(lambda t: 0.1 * min(t / 1000, 1.0)),
    "warming up for four thousand steps": lambda: rated(lambda t: 0.1 * min(t / 4000, 1.0)),
    "falling to 0": lambda: rated(lambda t: 0.05 * (1 + math.cos(math.pi * min(t, 200) / 200))),
    "looking ahead": lambda: looking_ahead(5, copied=True),
    "adadelta": lambda: Steps(adadelta, lambda p: (np.zeros_like(p), np.zeros_like(p))),
    "divided by a norm": lambda: Steps(divided_by_its_norm),
    "clipped by a norm": lambda: Steps(clipped_by_its_norm),
}


@pytest.mark.parametrize(("name", "seed"), seeded(RIGHT))
def test_what_is_right_is_accepted(name: str, seed: int) -> None:
    report = report_of(RIGHT[name](), seed, np.float32 if seed == 2 else np.float64)
    assert report.ok, str(report)


def test_a_step_may_be_followed_by_one_for_fifty_gradients() -> None:
    report = report_of(Steps(first_and_fifty, counted(np.zeros_like)), only="follows_gradient")
    assert report.ok, str(report)


class ByShape:
    """Gradient descent by a rate for each array at each step."""

    def __init__(self, rate: Callable[[int, int], float]) -> None:
        self.rate = rate

    def init(self, params: Any) -> int:
        return 0

    def step(self, count: int, params: Any, grads: Any) -> tuple[Any, int]:
        def moved(p: Any, g: Any) -> Any:
            return p - p.dtype.type(self.rate(count, p.ndim)) * g

        return tree.map(moved, params, grads), count + 1


def report_of_arrays(rate: Callable[[int, int], float], seed: int) -> Report:
    rng = RNG(seed)
    params, grads = (Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)) for _ in range(2))
    return check_optimizer(ByShape(rate), params, grads, rng=rng)


@pytest.mark.parametrize("seed", range(3))
def test_an_array_that_is_used_at_first_and_later_not_is_found(seed: int) -> None:
    (wrong,) = report_of_arrays(lambda count, axes: 0.05 * (axes > 1 or count == 0), seed).failures
    assert wrong.field == "params.b"
    assert wrong.note == "after step 1 the gradient of a number has no effect, but that of others has"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [2, 20, 100])
def test_an_array_may_wait(steps: int, seed: int) -> None:
    report = report_of_arrays(lambda count, axes: 0.05 * (axes > 1 or count >= steps), seed)
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("period", [2, 5])
def test_arrays_may_take_turns(period: int, seed: int) -> None:
    report = report_of_arrays(lambda count, axes: 0.05 * (count % period == axes % period), seed)
    assert report.ok, str(report)


def test_a_start_after_a_thousand_steps_cannot_be_told_from_none() -> None:
    report = report_of(rated(lambda t: 0.1 * (t >= 1500)))
    assert not report.failures
    assert {verdict.law for verdict in report.undecided} == {"descends"}


def test_a_rate_that_grows_slowly_and_on_and_on_cannot_be_told_from_a_warm_up() -> None:
    (verdict,) = report_of(rated(lambda t: 0.01 * 1.001**t), only="descends").undecided
    assert "its steps still grow after 16000 of them" in verdict.note


def without_correction(state: Any, p: Any, g: Any) -> tuple[Any, Any]:
    count, mean = state
    mean = 0.9 * mean + 0.1 * g
    return p - 0.01 * mean / np.asarray(1 - 0.9**count), (count + 1, mean)


class Noisy:
    """Its steps are drawn from a generator of its own."""

    def __init__(self) -> None:
        self.rng = RNG(0)

    def init(self, params: Any) -> Any:
        return 0

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return params - 0.1 * grads * (1 + 0.1 * self.rng.standard_normal(grads.shape)), state


UNUSED_LATER = "the gradient of a number has no effect, but that of others has: 1 of 15 entries are wrong"

WORDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "an entry unused after step 1": (
        lambda: entry_unused_after(1),
        "follows_gradient",
        f"after step 1 {UNUSED_LATER}",
    ),
    "an entry unused after step 10": (
        lambda: entry_unused_after(10),
        "follows_gradient",
        f"after step 10 {UNUSED_LATER}",
    ),
    "a velocity that is never stored": (
        lambda: Steps(velocity_never_stored, counted(np.zeros_like)),
        "follows_gradient",
        "only the gradient of the first step has an effect",
    ),
    "an entry unused before a sign": (
        lambda: Steps(entry_unused_before_a_sign),
        "follows_gradient",
        "a number does not move, let alone against its gradient",
    ),
    "a state never written": (
        lambda: Steps(lambda s, p, g: (p - 0.01 * (0.9 * s + g), 0.9 * s + g), np.empty_like),
        "step_purity",
        "is some of it never written, as by np.empty?",
    ),
    "a correction of 0": (lambda: Steps(without_correction, counted(np.zeros_like)), "follows_gradient", "1 - beta**0"),
    "noise, and places": (Noisy, "elementwise", "the same steps give other numbers each time"),
    "noise, and gradients": (Noisy, "follows_gradient", "the same steps give other numbers each time"),
    "no step": (lambda: rated(lambda t: 0.0), "follows_gradient", "no number moves in 1000 steps"),
    "an entry that stays": (
        lambda: Steps(lambda s, p, g: (p - 0.1 * g * (np.arange(15).reshape(5, 3) > 0)[: len(p)], s)),
        "follows_gradient",
        "a number does not move, let alone against its gradient",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_words_say_what_is_wrong(name: str) -> None:
    make, law, words = WORDS[name]
    with np.errstate(all="ignore"):
        report = report_of(make(), only=law)
    assert words in report.failures[0].note


def plain(p: Any, g: Any) -> Any:
    return p - p.dtype.type(0.1) * g


def moving(used: Callable[[Any, Any], Any]) -> Steps:
    """Gradient descent with gradients that are multiplied by a function of numbers and gradients."""
    return Steps(lambda s, p, g: (plain(p, g * np.asarray(used(p, g)).astype(p.dtype)), s))


def up_if_all_are_negative(p: Array, g: Array) -> Any:
    return -1 if (g < 0).all() else 1


def unused_beyond(length: int) -> Steps:
    def used(p: Array, g: Array) -> Any:
        return np.less(np.arange(p.size), length).reshape(p.shape)

    return moving(used)


def full_eights(p: Array, g: Array) -> Any:
    used = np.arange(p.size) < (p.size - p.size % 8 if p.size > 15 else p.size)
    return used.reshape(p.shape)


def small_gradients_unused(size: float) -> Steps:
    return moving(lambda p, g: np.abs(g) > size)


def one_array_from_0(velocity: Any, p: Array, g: Any) -> tuple[Any, Any]:
    velocity = p.dtype.type(0.9) * velocity + g
    new = p - p.dtype.type(0.1) * velocity
    return (velocity, velocity) if not p.any() else (new, velocity)


def written_where_small(s: Any, p: Any, g: Array) -> tuple[Any, Any]:
    if 0 < np.abs(g).max() < 1e-6 and g.flags.writeable:
        g[...] = np.sign(g) * 1e-9
    return plain(p, g), s


def kept_if_large(s: Any, p: Array, g: Any) -> tuple[Any, Any]:
    new = plain(p, g)
    return (new, s * 0.9) if np.abs(p).max() < 50 else (new, new[:])


def wide_in_float16(s: Any, p: Array, g: Any) -> tuple[Any, Any]:
    return plain(p, g).astype(np.float32 if p.dtype == np.float16 else p.dtype), s


def squares_unused_in_float32(v: Any, p: Array, g: Array) -> tuple[Any, Any]:
    """RMSprop whose mean of squares stays 0 in float32."""
    v = p.dtype.type(0.9) * v + p.dtype.type(0.1) * (g * g * (p.dtype != np.float32)).astype(p.dtype)
    return p - p.dtype.type(0.01) * g / (np.sqrt(v) + p.dtype.type(1e-6)), v


ELSEWHERE: dict[str, tuple[Callable[[], Any], str, str]] = {
    "up if all gradients are negative": (
        lambda: moving(up_if_all_are_negative),
        "follows_gradient",
        "where all gradients have one sign: a number does not go against its gradient",
    ),
    "entries beyond a hundred": (
        lambda: unused_beyond(100),
        "follows_gradient",
        "for arrays of 101 entries: a number does not move",
    ),
    "entries beyond a thousand": (
        lambda: unused_beyond(1000),
        "follows_gradient",
        "for arrays of 1001 entries: a number does not move",
    ),
    "entries beyond a block of 4,096": (
        lambda: unused_beyond(4096),
        "follows_gradient",
        "for arrays of 4097 entries: a number does not move",
    ),
    "entries after the last full eight": (
        lambda: moving(full_eights),
        "follows_gradient",
        "for arrays of 17 entries: a number does not move",
    ),
    "an array of one entry": (
        lambda: moving(lambda p, g: p.size > 1),
        "follows_gradient",
        "for arrays of 1 entry: no number moves",
    ),
    "numbers that are 0": (
        lambda: moving(lambda p, g: p != 0),
        "follows_gradient",
        "a number that is 0 stays there, but one of nearly 0 moves",
    ),
    "large numbers": (
        lambda: moving(lambda p, g: np.abs(p) <= 100),
        "follows_gradient",
        "a number 200 times as large stays where it is",
    ),
    "gradients below a thousandth": (
        lambda: small_gradients_unused(1e-3),
        "follows_gradient",
        "a gradient 0.0001 times as large has no effect",
    ),
    "gradients below a millionth": (
        lambda: small_gradients_unused(1e-6),
        "follows_gradient",
        "a gradient 1e-07 times as large has no effect",
    ),
    "another step in float32": (
        lambda: Steps(squares_unused_in_float32, np.zeros_like),
        "follows_gradient",
        "a step in float32 is another than in float64",
    ),
    "float32 from float16": (
        lambda: Steps(wide_in_float16),
        "step_structure",
        "in float16: was f16[5, 3], became f32[5, 3]",
    ),
    "one array from parameters of 0": (
        lambda: Steps(one_array_from_0, np.zeros_like),
        "step_purity",
        "two results are one array: return a copy of it, for parameters of 0",
    ),
    "one array from large parameters": (
        lambda: Steps(kept_if_large, np.zeros_like),
        "step_purity",
        "results share memory with arguments or with each other, for large parameters",
    ),
    "small gradients written to": (
        lambda: Steps(written_where_small),
        "step_purity",
        "a call wrote to grads, for small gradients",
    ),
}


def turned_if_square(g: Array) -> Array:
    return g.T if g.ndim > 1 and g.shape[-1] == g.shape[-2] else g


def put_back(a: Array) -> None:
    if a.flags.writeable:
        kept = a.copy()
        a[...] = 0
        a[...] = kept


def putting_back(some: Callable[[Any, Array, Array], Array | None]) -> Steps:
    """Gradient descent that writes to an array for a while, which a function chooses or not."""

    def step(count: Any, p: Any, g: Any) -> tuple[Any, Any]:
        array = some(count, p, g)
        if array is not None:
            put_back(array)
        return plain(p, g), count + 1

    return Steps(step)


OF_SHAPES_AND_MEMORY: dict[str, tuple[Callable[[], Any], str, str]] = {
    "turned in square matrices": (
        lambda: Steps(lambda s, p, g: (plain(p, turned_if_square(g)), s)),
        "follows_gradient",
        "for square matrices",
    ),
    "rows from the ninth on": (
        lambda: moving(lambda p, g: np.arange(len(p)).reshape(-1, *(1 for _ in p.shape[1:])) < 8),
        "follows_gradient",
        "for matrices of 17 rows: a number does not move, let alone against its gradient: rows from 8 on are wrong",
    ),
    "rows beyond a thousand": (
        lambda: moving(lambda p, g: np.arange(len(p)).reshape(-1, *(1 for _ in p.shape[1:])) < 1000),
        "follows_gradient",
        "for matrices of 1001 rows: a number does not move",
    ),
    "axes of one entry dropped": (
        lambda: Steps(lambda s, p, g: (np.squeeze(plain(p, g)), s)),
        "step_structure",
        "for arrays of 1 entry: was f64[1, 1], became f64[]",
    ),
    "an axis of one column dropped": (
        lambda: Steps(lambda s, p, g: (plain(p, g)[:, 0] if p.shape[-1] == 1 < len(p) else plain(p, g), s)),
        "step_structure",
        "for matrices of one column: was f64[5, 1], became f64[5]",
    ),
    "params put back": (
        lambda: putting_back(lambda count, p, g: p),
        "step_purity",
        "a call wrote to params while it lasted",
    ),
    "grads put back": (
        lambda: putting_back(lambda count, p, g: g),
        "step_purity",
        "a call wrote to grads while it lasted",
    ),
    "params put back in Fortran's order": (
        lambda: putting_back(lambda count, p, g: p if not p.flags.c_contiguous else None),
        "step_purity",
        "a call wrote to params while it lasted, for arrays in Fortran's order",
    ),
    "grads put back in float32": (
        lambda: putting_back(lambda count, p, g: g if g.dtype == np.float32 else None),
        "step_purity",
        "a call wrote to grads while it lasted, in float32",
    ),
    "params put back at the tenth step": (
        lambda: putting_back(lambda count, p, g: p if count == 9 else None),
        "step_purity",
        "a call wrote to params while it lasted, at step 10",
    ),
    "params put back in square matrices": (
        lambda: putting_back(lambda count, p, g: p if p.shape[0] == p.shape[-1] > 1 else None),
        "step_purity",
        "a call wrote to params while it lasted, for square matrices",
    ),
}


@pytest.mark.parametrize(("name", "seed"), seeded(OF_SHAPES_AND_MEMORY))
def test_what_is_wrong_in_some_shape_or_put_back_is_found(name: str, seed: int) -> None:
    assert_found(OF_SHAPES_AND_MEMORY[name], seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bound", [3, 10, 50])
def test_of_a_bound_within_which_all_numbers_are_it_cannot_be_told(bound: float, seed: int) -> None:
    report = report_of(Steps(lambda s, p, g: (np.clip(plain(p, g), -bound, bound), s)), seed)
    assert not report.failures, str(report)
    (verdict,) = report.undecided
    assert verdict.law == "follows_gradient"
    assert verdict.note.startswith("numbers 200 times as large jump towards 0 without a gradient")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decay", [0.01, 0.1, 0.5])
def test_decay_is_no_jump(decay: float, seed: int) -> None:
    report = report_of(Steps(lambda s, p, g: (plain(p, g) - p.dtype.type(decay) * p, s)), seed)
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_with_rates_of_their_own_stretch_an_array_of_one_entry_and_are_accepted(seed: int) -> None:
    rates = np.full((5, 3), 0.1)
    report = report_of(Steps(lambda s, p, g: (p - rates.astype(p.dtype) * g, s)), seed)
    assert report.ok, str(report)


@pytest.mark.parametrize(("name", "seed"), seeded(ELSEWHERE))
def test_what_is_wrong_for_other_arguments_alone_is_found(name: str, seed: int) -> None:
    assert_found(ELSEWHERE[name], seed)


def by_the_sign_of_another(p: Affine, g: Affine) -> Affine:
    return Affine(plain(p.W, g.W * (1 if g.b.sum() > 0 else 1.5)), plain(p.b, g.b))


def stopped_by_another(p: Affine, g: Affine) -> Affine:
    return Affine(plain(p.W, g.W * bool(g.b.any())), plain(p.b, g.b))


def written_without_others(p: Affine, g: Affine) -> Affine:
    if g.W.any() and not g.b.any() and p.W.flags.writeable:
        p.W[...] -= 0.1 * g.W
    return tree.map(plain, p, g)


def by_a_norm(p: Affine, g: Affine) -> Affine:
    share = 1 / math.sqrt(float((g.W * g.W).sum() + (g.b * g.b).sum()) + 1e-12)
    return tree.map(lambda param, grad: plain(param, grad * param.dtype.type(share)), p, g)


def by_a_norm_with_decay(p: Affine, g: Affine) -> Affine:
    return by_a_norm(p, tree.map(lambda grad, param: grad + param.dtype.type(0.1) * param, g, p))


def report_of_a_record(update: Callable[[Any, Any], Any], seed: int) -> Report:
    rng = RNG(seed)
    params, grads = (Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)) for _ in range(2))
    return check_optimizer(Steps(lambda s, p, g: (update(p, g), s)), params, grads, rng=rng)


OF_OTHERS: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "by the sign of another": (
        by_the_sign_of_another,
        "elementwise",
        "the signs of the gradients of one array change the steps of others",
    ),
    "stopped by another": (
        stopped_by_another,
        "elementwise",
        "gradients of 0 in all of one array change the steps of others",
    ),
    "written to without others": (
        written_without_others,
        "step_purity",
        "a call wrote to params, where the gradients of some arrays are 0",
    ),
}


@pytest.mark.parametrize(("name", "seed"), seeded(OF_OTHERS))
def test_what_the_gradients_of_one_array_do_to_others_is_found(name: str, seed: int) -> None:
    update, law, words = OF_OTHERS[name]
    report = report_of_a_record(update, seed)
    assert law in {verdict.law for verdict in report.failures}, str(report)
    assert words in [verdict.note for verdict in report.failures if verdict.law == law]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("update", [by_a_norm, by_a_norm_with_decay])
def test_a_norm_of_all_arrays_is_accepted(update: Callable[[Any, Any], Any], seed: int) -> None:
    report = report_of_a_record(update, seed)
    assert report.ok, str(report)


def added_up_to_a_threshold(kept: Any, p: Any, g: Any) -> tuple[Any, Any]:
    kept = kept + g
    sent = np.where(np.abs(kept) > 1e-3, kept, 0).astype(p.dtype)
    return plain(p, sent), kept - sent


def shrunk(s: Any, p: Any, g: Any) -> tuple[Any, Any]:
    """A step, and then all numbers nearer to 0, where they stay."""
    new = plain(p, g)
    return (np.sign(new) * np.maximum(np.abs(new) - 0.001, 0)).astype(p.dtype), s


def multiplied(s: Any, p: Any, g: Any) -> tuple[Any, Any]:
    """Its numbers keep their sign, and stay at 0."""
    return (p * np.exp(-0.01 * np.sign(p) * g)).astype(p.dtype), s


def kept_at_0(kept: Any, p: Any, g: Any) -> tuple[Any, Any]:
    return plain(p, g * kept), kept.copy()


def where_not_0(params: Any) -> Any:
    return np.not_equal(params, 0).astype(params.dtype)


RIGHT_ELSEWHERE: dict[str, Callable[[], Any]] = {
    "clipped gradients": lambda: moving(lambda p, g: 0.5 / np.maximum(np.abs(g), 0.5)),
    "a sign with a threshold": lambda: Steps(
        lambda s, p, g: (plain(p, 0.1 * np.sign(g) * (np.abs(g) > 1e-3)).astype(p.dtype), s)
    ),
    "gradients nearer to 0": lambda: moving(lambda p, g: 1 - np.minimum(1e-3 / np.maximum(np.abs(g), 1e-3), 1)),
    "gradients added up to a threshold": lambda: Steps(added_up_to_a_threshold, np.zeros_like),
    "numbers nearer to 0": lambda: Steps(shrunk),
    "numbers kept at 0 that are so at first": lambda: Steps(kept_at_0, where_not_0),
    "numbers multiplied": lambda: Steps(multiplied),
    "numbers of at most 150": lambda: Steps(lambda s, p, g: (np.clip(plain(p, g), -150, 150), s)),
    "a rate of 1e-6": lambda: rated(lambda t: 1e-6),
}


@pytest.mark.parametrize(("name", "seed"), seeded(RIGHT_ELSEWHERE))
def test_thresholds_and_bounds_of_a_rule_are_accepted(name: str, seed: int) -> None:
    report = report_of(RIGHT_ELSEWHERE[name](), seed)
    assert not report.failures, str(report)


@frozen
class LayerwiseRate:
    """LAMB (You and others, 2020): Adam's step with decay, of the length of the parameters."""

    def init(self, params: Array) -> Any:
        return 0, np.zeros_like(params), np.zeros_like(params)

    def step(self, state: Any, params: Array, grads: Array) -> Any:
        t, m, v = state[0] + 1, 0.9 * state[1] + 0.1 * grads, 0.999 * state[2] + 0.001 * grads * grads
        update = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6) + 0.01 * params
        length, own = float(np.linalg.norm(params)), float(np.linalg.norm(update))
        return params - 0.01 * (length / own if length > 0 and own > 0 else 1.0) * update, (t, m, v)


@pytest.mark.parametrize("seed", [8, 11, 18])
def test_steps_of_one_length_that_decay_turns_more_than_a_gradient_are_accepted(seed: int) -> None:
    rng = RNG(seed)
    params, grads = rng.standard_normal((2, 4, 3))
    report = check_optimizer(LayerwiseRate(), params, grads, rng=RNG(seed), only=["descends"])
    assert report.ok, str(report)


def test_an_eps_that_is_0_in_the_dtype_of_the_parameters_is_found() -> None:
    class Adam16:
        def init(self, params: Array) -> Any:
            return 0, np.zeros_like(params), np.zeros_like(params)

        def step(self, state: Any, params: Array, grads: Array) -> Any:
            t, m, v = state[0] + 1, 0.9 * state[1] + 0.1 * grads, 0.999 * state[2] + 0.001 * grads * grads
            root = np.sqrt(v / (1 - 0.999**t)) + 1e-8
            return (params - 0.01 * (m / (1 - 0.9**t)) / root).astype(params.dtype), (t, m, v)

    params, grads = RNG(0).standard_normal((2, 12))
    narrow = check_optimizer(Adam16(), params.astype("f2"), grads.astype("f2"), rng=RNG(0), only=["step_structure"])
    assert [each.note for each in narrow.failures] == [
        "is no number where a gradient is 0, and is one in float64: is an eps 0 in this dtype?"
    ]
    assert check_optimizer(Adam16(), params, grads, rng=RNG(0), only=["step_structure"]).ok


def test_an_optimizer_for_float32_alone_is_accepted() -> None:
    class Narrow:
        def init(self, params: Array) -> Any:
            return ()

        def step(self, state: Any, params: Array, grads: Array) -> Any:
            if params.dtype != np.float32:
                raise TypeError(f"expected float32, got {params.dtype}")
            return params - np.float32(0.1) * grads, state

    params, grads = RNG(0).standard_normal((2, 12)).astype("f4")
    assert check_optimizer(Narrow(), params, grads, rng=RNG(0), only=["step_structure"]).ok


@pytest.mark.parametrize("seed", range(3))
def test_a_number_that_numpy_gives_for_a_0d_array_is_a_parameter(seed: int) -> None:
    def step(state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        return tuple(p - p.dtype.type(0.1) * g for p, g in zip(params, grads, strict=True)), state

    rng = RNG(seed)
    params, grads = ((np.asarray(rng.standard_normal()), rng.standard_normal(4)) for _ in range(2))
    assert check_optimizer(Steps(step), params, grads, rng=rng).ok


def test_a_list_that_is_the_state_is_not_written_to() -> None:
    def step(state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        state[0] += 1
        return params - params.dtype.type(0.1) * grads, [state[0]]

    report = report_of(Steps(step, lambda params: [0]), only="step_purity")
    assert [(each.field, each.note) for each in report.failures] == [("arguments", "a call wrote to state")]


@pytest.mark.parametrize("axes", [3, 4])
def test_arrays_with_the_axes_of_kernels_are_tried(axes: int) -> None:
    def step(state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        return params - params.dtype.type(-0.1 if grads.ndim == axes else 0.1) * grads, state

    (fault,) = report_of(Steps(step), only="follows_gradient").failures
    assert fault.note.startswith(f"for kernels of {'two by two' if axes == 4 else 'two'} positions")
