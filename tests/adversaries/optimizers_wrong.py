"""Wrong optimizers: what they do to an array, by table, and then what they do to trees, states and memory."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from adversaries.case import Adversary, OptimizerCase
from adversaries.optimizer_making import Update, by_array, case
from adversaries.optimizers_impure import IMPURE_OPTIMIZERS
from chainrule import tree

WRONG_OPTIMIZERS: list[Adversary] = []

root: Any = np.sqrt
places: Any = np.arange
where: Any = np.where


def listed(name: str, kind: str, make: Callable[[], OptimizerCase]) -> None:
    WRONG_OPTIMIZERS.append(Adversary(name, kind, make))


def first(x: Any) -> Any:
    """The address of the first entry of an array."""
    return (places(x.size) == 0).reshape(x.shape)


def last(x: Any) -> Any:
    return (places(x.size) == x.size - 1).reshape(x.shape)


def noise(seed: int, like: Any) -> Any:
    rng: Any = np.random.default_rng(seed)
    return rng.standard_normal(like.shape)


def rated(rate: Callable[[int, Any, Any], Any]) -> Update:
    """Steps against the gradient by `rate(count, param, grad)`, in the dtype of the parameter."""
    return lambda count, p, g, kept: (p - np.asarray(rate(count, p, g), p.dtype) * g, ())


def stepped(step: Callable[[int, Any, Any], Any]) -> Update:
    """`param + step(count, param, grad)`, in the dtype of the parameter."""
    return lambda count, p, g, kept: (p + np.asarray(step(count, p, g), p.dtype), ())


# The wrong way, or too far.

ASCENDING: dict[str, tuple[Update, int]] = {
    "up the gradient": (rated(lambda n, p, g: -0.1), 0),
    "up the gradient by a millionth": (rated(lambda n, p, g: -1e-6), 0),
    "up the gradient from the third step on": (rated(lambda n, p, g: 0.1 if n < 2 else -0.1), 0),
    "up the gradient where it is negative": (stepped(lambda n, p, g: -0.1 * np.abs(g)), 0),
    "up the gradient where the parameter is negative": (rated(lambda n, p, g: 0.1 * np.sign(p)), 0),
    "up the gradient in its first entry": (rated(lambda n, p, g: where(first(g), -0.1, 0.1)), 0),
    "up the sign of the gradient": (stepped(lambda n, p, g: 0.01 * np.sign(g)), 0),
    "velocity with the wrong sign in the step": (
        lambda n, p, g, kept: (p + 0.05 * (0.9 * kept[0] + g), (0.9 * kept[0] + g,)),
        1,
    ),
    "velocity multiplied by 1.2": (
        lambda n, p, g, kept: (p - 0.05 * (1.2 * kept[0] + g), (1.2 * kept[0] + g,)),
        1,
    ),
    "velocity multiplied by 2.5": (
        lambda n, p, g, kept: (p - 0.01 * (2.5 * kept[0] + g), (2.5 * kept[0] + g,)),
        1,
    ),
    "a rate that grows by half each step": (rated(lambda n, p, g: 0.01 * 1.5**n), 0),
    "the bias correction upside down in its second step": (
        lambda n, p, g, kept: (
            (p - 0.01 * (0.9 * kept[0] + 0.1 * g) / (1 - 1.2**n), (0.9 * kept[0] + 0.1 * g,))
            if n
            else (p - 0.01 * g, (0.1 * g,))
        ),
        1,
    ),
}
for title, (update, moments) in ASCENDING.items():
    listed(title, "ascends or diverges", partial(by_array, update, moments))


# Gradients that are not used.

UNUSED: dict[str, Update] = {
    "the gradient not used at all": rated(lambda n, p, g: 0.0),
    "decay in the place of the gradient": stepped(lambda n, p, g: -0.1 * p),
    "the first entry never moved": rated(lambda n, p, g: where(first(g), 0, 0.1)),
    "the last entry never moved": rated(lambda n, p, g: where(last(g), 0, 0.1)),
    "negative gradients not used": rated(lambda n, p, g: where(g < 0, 0, 0.1)),
    "arrays of one axis never moved": rated(lambda n, p, g: 0.1 * (g.ndim > 1)),
    "columns but the first never moved": rated(lambda n, p, g: 0.1 * (places(g.shape[-1]) == 0)),
    "large arrays moved in their first 10 entries": rated(lambda n, p, g: 0.1 * (places(g.size) < 10).reshape(g.shape)),
}
for title, update in UNUSED.items():
    listed(title, "unused gradient", partial(by_array, update))


def dropping(limit: float) -> Update:
    return rated(lambda n, p, g: where(np.abs(g) > limit, 0, 0.1))


for limit in (5, 100, 3000):
    listed(f"gradients beyond {limit} not used", "unused gradient", partial(by_array, dropping(limit)))

WHOLE: dict[str, Update] = {
    "the mean gradient for all entries": stepped(lambda n, p, g: -0.1 * g.mean() + 0 * p),
    "the sign of the sum for all entries": stepped(lambda n, p, g: -0.01 * np.sign(g.sum()) + 0 * p),
    "the gradient of the first entry for all": stepped(lambda n, p, g: -0.1 * g.flat[0] + 0 * p),
    "gradients in reverse": stepped(lambda n, p, g: -0.1 * g[::-1]),
    "gradients sorted": stepped(lambda n, p, g: -0.1 * np.sort(g, axis=-1)),
    "gradients of the entry before": stepped(lambda n, p, g: -0.1 * np.roll(g, 1)),
    "a rate by the place of the entry": rated(lambda n, p, g: 0.1 / (1 + places(g.size).reshape(g.shape))),
    "a rate by the column": rated(lambda n, p, g: 0.1 / (1 + places(g.shape[-1]))),
    "a rate that is off in the last entry by a thousandth": rated(lambda n, p, g: where(last(g), 0.1001, 0.1)),
}
for title, update in WHOLE.items():
    listed(title, "entries mixed", partial(by_array, update))


LARGE: dict[str, Update] = {
    "the last entry of a large array never moved": UNUSED["the last entry never moved"],
    "one entry of a large array up the gradient": rated(
        lambda n, p, g: where(places(g.size).reshape(g.shape) == 4711, -0.1, 0.1)
    ),
    "entries beyond the 4096th never moved": rated(lambda n, p, g: 0.1 * (places(g.size) < 4096).reshape(g.shape)),
    "entries after the last whole block of 64 never moved": rated(
        lambda n, p, g: 0.1 * (places(g.size) < g.size // 64 * 64).reshape(g.shape)
    ),
}
for title, update in LARGE.items():
    listed(title, "large array", partial(by_array, update, shape="large"))
up_in_float32 = rated(lambda n, p, g: -0.1 if p.dtype == np.float32 else 0.1)
listed("up the gradient in float32 alone", "ascends or diverges", partial(by_array, up_in_float32, dtype=np.float32))


# A gradient of 0.

NOTHING: dict[str, tuple[Update, int]] = {
    "0 divided by 0 by the root of squares": (
        lambda n, p, g, kept: (p - 0.1 * g / root(kept[0] + g * g), (kept[0] + g * g,)),
        1,
    ),
    "0 divided by 0 by the size of the gradient": (stepped(lambda n, p, g: -0.01 * g / np.abs(g)), 0),
    "0 divided by 0 by a norm": (stepped(lambda n, p, g: -0.01 * g / root((g * g).sum())), 0),
    "growth in the place of decay": (stepped(lambda n, p, g: 0.1 * p - 0.01 * g), 0),
    "a drift of a thousandth": (stepped(lambda n, p, g: -0.1 * (g + 0.001)), 0),
    "a sign of 0 that is 1": (stepped(lambda n, p, g: -0.01 * where(g >= 0, 1, -1)), 0),
    "a gradient of 0 taken for 1e-3": (stepped(lambda n, p, g: -0.1 * where(g == 0, 1e-3, g)), 0),
    "a step of noise that is the same each time": (
        stepped(lambda n, p, g: -0.1 * g + 1e-3 * noise(n, g)),
        0,
    ),
    "infinity where a gradient is 0": (stepped(lambda n, p, g: -0.1 * where(g == 0, np.inf, g)), 0),
}
for title, (update, moments) in NOTHING.items():
    listed(title, "zero gradient", partial(by_array, update, moments))


# Many steps.

MANY: dict[str, tuple[Update, int]] = {
    "a rate of 0.1 / (20 - count)": (rated(lambda n, p, g: 0.1 / (20 - n) if n != 20 else np.inf), 0),
    "a power of the count that overflows": (rated(lambda n, p, g: 0.01 * np.exp(np.float64(n) ** 2 / 50)), 0),
    "NaN from the hundredth step on": (stepped(lambda n, p, g: -0.01 * g if n < 100 else np.nan), 0),
    "the count as the rate": (rated(lambda n, p, g: 1e-2 * (n + 1) ** 2), 0),
}
for title, (update, moments) in MANY.items():
    listed(title, "many steps", partial(by_array, update, moments))


# Other dtypes and shapes.


def made_into(change: Callable[[Any], Any], dtype: Any) -> OptimizerCase:
    """Gradient descent whose new parameters are made into something else."""
    return by_array(lambda n, p, g, kept: (change(p - p.dtype.type(0.1) * g), ()), dtype=dtype)


FORMS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "float32 becomes float64": (lambda p: p.astype(np.float64), np.float32),
    "float64 becomes float32": (lambda p: p.astype(np.float32), np.float64),
    "float16 becomes float32": (lambda p: p.astype(np.float32), np.float16),
    "arrays of one axis become float64": (lambda p: p.astype(np.float64) if p.ndim == 1 else p, np.float32),
    "parameters flattened": (np.ravel, np.float64),
    "parameters transposed": (np.transpose, np.float64),
    "parameters with an axis more": (lambda p: p[None], np.float64),
    "parameters as lists": (lambda p: p.tolist(), np.float64),
}
for title, (change, dtype) in FORMS.items():
    listed(title, "form", partial(made_into, change, dtype))


class Descent:
    """Gradient descent by 0.1, from which others differ in one thing."""

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return self.moved(params, grads), state

    def moved(self, params: Any, grads: Any) -> Any:
        new: Any = tree.map(lambda p, g: p - p.dtype.type(0.1) * g, params, grads)
        return new


class Promoting(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        new: Any = tree.map(lambda p, g: p - np.float64(0.1) * g, params, grads)
        return new


class LastArrayKept(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        *moved, _ = tree.leaves(super().moved(params, grads))
        return tree.replace(params, [*moved, tree.leaves(params)[-1].copy()])


class FirstArrayKept(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        _, *moved = tree.leaves(super().moved(params, grads))
        return tree.replace(params, [tree.leaves(params)[0].copy(), *moved])


class FirstTwoArraysMoved(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        moved, old = tree.leaves(super().moved(params, grads)), tree.leaves(params)
        return tree.replace(params, [*moved[:2], *(each.copy() for each in old[2:])])


class AsList(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        return list(super().moved(params, grads))


class WithoutLast(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        return super().moved(params, grads)[:-1]


class Reversed(Descent):
    def moved(self, params: Any, grads: Any) -> Any:
        return super().moved(params, grads)[::-1]


class ParametersAlone(Descent):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return self.moved(params, grads)


class StateFirst(Descent):
    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return state, self.moved(params, grads)


def run(subject: Callable[[], Any], shape: str, dtype: Any) -> OptimizerCase:
    return case(subject(), shape, dtype)


SUBJECTS: list[tuple[str, str, Callable[[], Any], str, Any]] = [
    ("a rate of float64 that promotes", "form", Promoting, "record", np.float32),
    ("the last array never moved", "unused gradient", LastArrayKept, "nested", np.float64),
    ("the first array never moved", "unused gradient", FirstArrayKept, "tuple", np.float64),
    ("arrays after the second never moved", "unused gradient", FirstTwoArraysMoved, "nested", np.float64),
    ("a tuple becomes a list", "form", AsList, "tuple", np.float64),
    ("a tuple loses its last array", "form", WithoutLast, "tuple", np.float64),
    ("a tuple in reverse", "form", Reversed, "tuple", np.float64),
    ("parameters returned without a state", "form", ParametersAlone, "record", np.float64),
    ("the state returned before the parameters", "form", StateFirst, "record", np.float64),
]
for title, kind, subject, shape, dtype in SUBJECTS:
    listed(title, kind, partial(run, subject, shape, dtype))


# States that change their structure.


class Growing(Descent):
    """Keeps all gradients so far."""

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return self.moved(params, grads), (*state, tree.map(np.copy, grads))


class Lazy(Descent):
    """Makes its velocity in the first step."""

    def init(self, params: Any) -> Any:
        return None

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = tree.map(np.copy, grads) if state is None else tree.map(lambda v, g: 0.9 * v + g, state, grads)
        return self.moved(params, velocity), velocity


class Widening(Descent):
    """Its velocity is float32 at first and then float64."""

    def init(self, params: Any) -> Any:
        return tree.map(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = tree.map(lambda v, g: np.float64(0.9) * v + g, state, grads)
        narrow: Any = tree.map(lambda v, p: v.astype(p.dtype), velocity, params)
        return self.moved(params, narrow), velocity


class Flattening(Descent):
    """Its velocity comes back flat."""

    def init(self, params: Any) -> Any:
        return tree.map(np.zeros_like, params)

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = tree.map(lambda v, g: 0.9 * v.reshape(g.shape) + g, state, grads)
        return self.moved(params, velocity), tree.map(np.ravel, velocity)


class Losing(Descent):
    """Its state is gone after a step."""

    def init(self, params: Any) -> Any:
        return (0, tree.map(np.zeros_like, params))

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        velocity: Any = tree.map(lambda v, g: 0.9 * v + g, state[1], grads) if len(state) > 1 else grads
        return self.moved(params, velocity), (state[0] + 1,)


listed("a state that grows with each step", "state structure", lambda: case(Growing()))
listed("a state that is None until the first step", "state structure", lambda: case(Lazy()))
listed("a state that goes from float32 to float64", "state structure", lambda: case(Widening(), dtype=np.float32))
listed("a state whose arrays come back flat", "state structure", lambda: case(Flattening()))
listed("a state that loses its velocity", "state structure", lambda: case(Losing()))


# The clock.

listed(
    "a rate by the clock",
    "repeats",
    partial(by_array, rated(lambda n, p, g: 0.1 * (1 + 1e-4 * (time.perf_counter_ns() % 1009)))),
)

WRONG_OPTIMIZERS.extend(IMPURE_OPTIMIZERS)
