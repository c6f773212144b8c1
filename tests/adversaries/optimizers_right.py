"""Right optimizers: the usual ones by hand and by rules, and odd forms that break no law."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from attrs import frozen

from adversaries.case import Adversary, OptimizerCase
from adversaries.optimizer_making import ByArray, Update, by_array, case, drawn
from chainrule import Affine, adam, read_only, rules, schedules, sgd, tree

FREE: Any = np
"""NumPy, for values whose types nobody knows."""

RIGHT_OPTIMIZERS: list[Adversary] = []

root: Any = np.sqrt


def listed(name: str, kind: str, make: Callable[[], OptimizerCase]) -> None:
    RIGHT_OPTIMIZERS.append(Adversary(name, kind, make))


# By what they do to an array: each update, and how many arrays it keeps.


def plain(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 0.1 * g, ()


def momentum(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = 0.9 * kept[0] + g
    return p - 0.05 * v, (v,)


def nesterov(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = 0.9 * kept[0] + g
    return p - 0.05 * (g + 0.9 * v), (v,)


def heavy_ball(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Keeps the step and not the velocity."""
    step = 0.8 * kept[0] - 0.05 * g
    return p + step, (step,)


def adam_moments(count: int, g: Any, kept: Any) -> Any:
    m, v = 0.9 * kept[0] + 0.1 * g, 0.999 * kept[1] + 0.001 * g * g
    return m, v, m / (1 - 0.9 ** (count + 1)), v / (1 - 0.999 ** (count + 1))


def adam_by_hand(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v, mean, square = adam_moments(count, g, kept)
    return p - 0.01 * mean / (root(square) + 1e-8), (m, v)


def adamw(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v, mean, square = adam_moments(count, g, kept)
    return p * (1 - 0.01 * 0.1) - 0.01 * mean / (root(square) + 1e-8), (m, v)


def uncorrected_adam(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v, _, _ = adam_moments(count, g, kept)
    return p - 0.003 * m / (root(v) + 1e-8), (m, v)


def nadam(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v, mean, square = adam_moments(count, g, kept)
    return p - 0.01 * (0.9 * mean + 0.1 * g / (1 - 0.9 ** (count + 1))) / (root(square) + 1e-8), (m, v)


def amsgrad(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, v, mean, square = adam_moments(count, g, kept)
    top = np.maximum(kept[2], square)
    return p - 0.01 * mean / (root(top) + 1e-8), (m, v, top)


def adamax(count: int, p: Any, g: Any, kept: Any) -> Any:
    m, top = 0.9 * kept[0] + 0.1 * g, np.maximum(0.999 * kept[1], np.abs(g))
    return p - 0.01 / (1 - 0.9 ** (count + 1)) * m / (top + 1e-8), (m, top)


def adabelief(count: int, p: Any, g: Any, kept: Any) -> Any:
    m = 0.9 * kept[0] + 0.1 * g
    v = 0.999 * kept[1] + 0.001 * (g - m) ** 2 + 1e-8
    corrected = v / (1 - 0.999 ** (count + 1))
    return p - 0.01 * m / (1 - 0.9 ** (count + 1)) / (root(corrected) + 1e-8), (m, v)


def adagrad(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = kept[0] + g * g
    return p - 0.1 * g / (root(v) + 1e-8), (v,)


def rmsprop(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = 0.9 * kept[0] + 0.1 * g * g
    return p - 0.01 * g / root(v + 1e-8), (v,)


def adadelta(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = 0.9 * kept[0] + 0.1 * g * g
    step = g * root(kept[1] + 1e-5) / root(v + 1e-5)
    return p - step, (v, 0.9 * kept[1] + 0.1 * step * step)


def sign_descent(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - p.dtype.type(0.01) * np.sign(g), ()


def lion(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - p.dtype.type(0.01) * np.sign(0.9 * kept[0] + 0.1 * g), (0.99 * kept[0] + 0.01 * g,)


def rprop(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Steps that grow while the sign stays, and shrink when it turns."""
    before, size = kept[0], kept[1] if count else np.full_like(p, 0.01)
    factor = np.array([0.5, 1.0, 1.2], p.dtype)[np.sign(before * g).astype(int) + 1]
    size = np.clip(size * factor, 1e-6, 1)
    return p - size * np.sign(g), (g.copy(), size)


def heavy_decay(count: int, p: Any, g: Any, kept: Any) -> Any:
    return 0.7 * p - 0.1 * g, ()


def decay_in_the_gradient(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 0.1 * (g + 0.2 * p), ()


def warming_up(count: int, p: Any, g: Any, kept: Any) -> Any:
    """From a rate of 0."""
    return p - 0.1 * min(count / 5, 1) * g, ()


def falling(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 0.1 / (1 + count) * g, ()


def restarting(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 0.1 * (1 - count % 4 / 4) * g, ()


def above_two_over_curvature(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 50.0 * g, ()


def tiny_rate(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 1e-6 * g, ()


def clipped_entry_by_entry(count: int, p: Any, g: Any, kept: Any) -> Any:
    return p - 0.1 * np.clip(g, -1, 1), ()


def averaged(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Beside the average of all parameters so far."""
    new = p - 0.1 * g
    return new, (kept[0] + (new - kept[0]) / (count + 1),)


def slow_and_fast(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Lookahead: every fifth step goes half of the way from where the last five began."""
    start, new = kept[0] if count else p, p - 0.1 * g
    back = start + (new - start) / 2
    return (back, (back.copy(),)) if count % 5 == 4 else (new, (start + 0,))


def every_other_step(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Gathers two gradients for each step."""
    total = kept[0] + g
    return (p - 0.05 * total, (0 * total,)) if count % 2 else (p + 0, (total,))


def delayed(count: int, p: Any, g: Any, kept: Any) -> Any:
    """Steps along the gradient before."""
    return p - 0.1 * kept[0], (g.copy(),)


def in_float64(count: int, p: Any, g: Any, kept: Any) -> Any:
    return (p.astype(np.float64) - 0.1 * g.astype(np.float64)).astype(p.dtype), ()


def in_float32(count: int, p: Any, g: Any, kept: Any) -> Any:
    return (p.astype(np.float32) - np.float32(0.1) * g.astype(np.float32)).astype(p.dtype), ()


def read_only_results(count: int, p: Any, g: Any, kept: Any) -> Any:
    v = read_only(0.9 * kept[0] + g)
    return read_only(p - 0.05 * v), (v,)


def a_result_shared_read_only(count: int, p: Any, g: Any, kept: Any) -> Any:
    new = read_only(p - 0.1 * g)
    return new, (new,)


UPDATES: dict[Update, int] = {
    **dict.fromkeys((plain, sign_descent, heavy_decay, decay_in_the_gradient, warming_up, falling, restarting), 0),
    **dict.fromkeys((above_two_over_curvature, tiny_rate, clipped_entry_by_entry, in_float64), 0),
    **dict.fromkeys((momentum, nesterov, heavy_ball, adagrad, rmsprop, lion, averaged, slow_and_fast), 1),
    **dict.fromkeys((every_other_step, delayed, read_only_results, a_result_shared_read_only), 1),
    **dict.fromkeys((adam_by_hand, adamw, uncorrected_adam, nadam, adamax, adabelief, adadelta, rprop), 2),
    amsgrad: 3,
}


def titled(update: Update) -> str:
    return str(getattr(update, "__name__", "")).replace("_", " ")


for update, count in UPDATES.items():
    listed(f"{titled(update)} of a record", "update", partial(by_array, update, count))
for update in (plain, momentum, adam_by_hand, rmsprop, lion, in_float64, averaged, rprop):
    float32 = partial(by_array, update, UPDATES[update], dtype=np.float32)
    listed(f"{titled(update)} in float32", "dtype", float32)
for dtype in (np.float16, np.float32):
    name = f"in float32 of {np.dtype(dtype).name}"
    listed(name, "dtype", partial(by_array, in_float32, dtype=dtype))
for shape in ("array", "vector", "tuple", "nested"):
    listed(f"plain of {shape}", "tree", partial(by_array, plain, shape=shape))
    listed(f"adam by hand of {shape}", "tree", partial(by_array, adam_by_hand, 2, shape))


def refusing_float64(count: int, p: Any, g: Any, kept: Any) -> Any:
    if p.dtype == np.float64:
        raise ValueError("float64 is not taken")
    return momentum(count, p, g, kept)


listed("momentum in float32 alone", "dtype", partial(by_array, refusing_float64, 1, dtype=np.float32))


# By the library's rules, and its own.


def sign_by_rules(xp: rules.Namespace, rate: Any, param: Any, grad: Any, moments: Any, *, share: float) -> Any:
    mean = moments[0] * share + grad * (1 - share)
    return param - rate * xp.sign(mean), (mean,)


OWN: dict[str, Callable[[], Any]] = {
    "sgd": lambda: sgd(0.1),
    "sgd with momentum": lambda: sgd(0.1, momentum=0.9),
    "sgd by Nesterov": lambda: sgd(0.1, momentum=0.9, nesterov=True),
    "sgd with a rate of 30": lambda: sgd(30.0),
    "sgd that warms up": lambda: sgd(schedules.warmup(4, schedules.constant(0.1))),
    "sgd by a cosine": lambda: sgd(schedules.cosine(0.1, 0.0, 50)),
    "adam": lambda: adam(0.01),
    "adam that warms up": lambda: adam(schedules.warmup(4, schedules.constant(0.1))),
    "signs of a mean by rules": lambda: rules.optimizer("signs", partial(sign_by_rules, share=0.9), 0.01, moments=1),
}


def library(make: Callable[[], Any], shape: str, dtype: Any) -> OptimizerCase:
    return case(make(), shape, dtype)


for title, make in OWN.items():
    listed(f"{title}, of a nested tree in float32", "library", partial(library, make, "nested", np.float32))
for title in ("sgd", "sgd with momentum", "adam"):
    listed(f"{title}, of an array in float64", "library", partial(library, OWN[title], "array", np.float64))
    listed(f"{title}, of a record in float16", "library", partial(library, OWN[title], "record", np.float16))


# States of other types.


@frozen
class Velocity:
    """A record as the state."""

    count: Any
    of: Any


@frozen
class InRecord:
    def init(self, params: Any) -> Any:
        return Velocity(np.zeros((), np.int64), tree.map(np.zeros_like, params))

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        of: Any = tree.map(lambda v, g: 0.9 * v + g, state.of, grads)
        new: Any = tree.map(lambda p, v: p - 0.05 * v, params, of)
        return new, Velocity(np.asarray(state.count + 1), of)


@frozen
class InDictionary:
    def init(self, params: Any) -> Any:
        return {"count": 0, "velocity": tree.map(np.zeros_like, params)}

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = tree.map(lambda v, g: 0.9 * v + g, state["velocity"], grads)
        new: Any = tree.map(lambda p, v: p - 0.05 * v, params, velocity)
        return new, {"count": state["count"] + 1, "velocity": velocity}


@frozen
class Counting:
    """Its state is a whole number, or a 0-d array of one."""

    start: Any

    def init(self, params: Any) -> Any:
        return self.start

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        rate = 0.1 / (1 + int(state))
        new: Any = tree.map(lambda p, g: p - rate * g, params, grads)
        return new, state + 1 if isinstance(state, int) else np.asarray(state + 1)


@frozen
class Stateless:
    """Its state is None, or nothing else."""

    state: Any

    def init(self, params: Any) -> Any:
        return self.state

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new: Any = tree.map(lambda p, g: p - 0.1 * g, params, grads)
        return new, state


@frozen
class InFloat64:
    """Its parameters of float32 are kept in float64 beside: small steps add up."""

    def init(self, params: Any) -> Any:
        return tree.map(lambda p: p.astype(np.float64), params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        exact: Any = tree.map(lambda p, g: p - 0.1 * g.astype(np.float64), state, grads)
        new: Any = tree.map(lambda p, like: p.astype(like.dtype), exact, params)
        return new, exact


@frozen
class ForRecords:
    """Another rate for biases than for weights; for one type of parameters."""

    def init(self, params: Affine) -> Any:
        return ()

    def step(self, state: Any, params: Affine, grads: Affine) -> Any:
        return Affine(params.W - 0.1 * grads.W, params.b - 0.2 * grads.b), ()


class WithAttributes:
    """No frozen record, but a class with options."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new: Any = tree.map(lambda p, g: p - self.rate * g, params, grads)
        return new, state


@frozen
class Writable:
    """For an array alone, without trees: all that it gives may be written to."""

    share: float

    def init(self, params: Any) -> Any:
        return [np.zeros_like(params)]

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity = self.share * state[0] + grads
        return params - 0.05 * velocity, [velocity]


@frozen
class OfTuples:
    """For tuples of arrays, without trees."""

    def init(self, params: Any) -> Any:
        return tuple(np.zeros_like(p) for p in params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity = tuple(0.9 * v + g for v, g in zip(state, grads, strict=True))
        return tuple(np.asfortranarray(p - 0.05 * v) for p, v in zip(params, velocity, strict=True)), velocity


STATES: dict[str, Callable[[], OptimizerCase]] = {
    "a state that is a record": lambda: case(InRecord()),
    "a state that is a dictionary": lambda: case(InDictionary()),
    "a state that is a number": lambda: case(Counting(0)),
    "a state that is an array of no axes": lambda: case(Counting(np.zeros((), np.int64))),
    "a state that is None": lambda: case(Stateless(None)),
    "a state that is ()": lambda: case(Stateless(())),
    "a state in float64 beside float32": lambda: case(InFloat64(), dtype=np.float32),
    "a list as the state of a writable array": lambda: case(Writable(0.9), "array"),
    "writable results in float32": lambda: case(Writable(0.5), "array", np.float32),
    "writable results in tuples": lambda: case(OfTuples(), "tuple"),
    "another rate for biases": lambda: case(ForRecords()),
    "an optimizer that is no record": lambda: case(WithAttributes(0.1), "nested", np.float32),
    "parameters and gradients of 0": lambda: OptimizerCase(
        ByArray(adam_by_hand, 2), np.zeros((3, 2)), np.zeros((3, 2))
    ),
    "an array of one number": lambda: OptimizerCase(ByArray(momentum, 1), np.ones(1), np.full(1, 0.5)),
    "gradients of 1e-9": lambda: OptimizerCase(ByArray(plain), drawn("array")[0], 1e-9 * drawn("array")[1]),
    "gradients of 1e9": lambda: OptimizerCase(ByArray(adam_by_hand, 2), drawn("array")[0], 1e9 * drawn("array")[1]),
}
for title, make in STATES.items():
    listed(title, "state", make)


# Right by hand, though their entries are not alone: the laws of entries do not hold for them.


@frozen
class ClippedByNorm:
    """Gradients of a norm of at most 1."""

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        factor = min(1.0, 1 / (tree.dot(grads, grads) ** 0.5 + 1e-12))
        new: Any = tree.map(lambda p, g: p - 0.1 * factor * g, params, grads)
        return new, state


def by_its_own_norm(count: int, p: Any, g: Any, kept: Any) -> Any:
    """As lars: the length of a step is that of the parameter."""
    return p - 0.01 * float(FREE.linalg.norm(p)) * g / (float(FREE.linalg.norm(g)) + 1e-12), ()


listed("gradients clipped by their norm", "couples entries", lambda: case(ClippedByNorm()))
listed("steps as long as their array's share", "couples entries", lambda: by_array(by_its_own_norm))
