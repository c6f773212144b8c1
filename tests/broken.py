"""Broken layers, losses and optimizers: the usual mistakes, and what rejects each.

A mistake is planted in otherwise right code. `laws` are exactly those that must reject it.
"""

import threading
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen

from chainrule import (
    Affine,
    Array,
    Layer,
    Loss,
    Report,
    Unit,
    affine,
    check_layer,
    check_loss,
    check_optimizer,
    own,
    read_only,
    relu,
    rules,
    softmax_cross_entropy,
    tree,
)
from chainrule.layers.affine import AffineCache
from untyped import untyped

RNG = np.random.default_rng

DERIVATIVE = ("derivative", "other_values", "any_dout")
"""A fault that is everywhere is one at the x and the dout that are given, and at others."""

ANY_SIZE = (*DERIVATIVE, "other_sizes")
"""So it is at other sizes, which are tried where there are no parameters."""

LOSS_DERIVATIVE = ("loss_derivative", "loss_values", "loss_targets")


@frozen
class Broken:
    """A broken thing, and the names of the laws that reject it."""

    name: str
    make: Callable[[], Any]
    """Fresh each time: some mistakes are about memory."""
    laws: frozenset[str]


AFFINE: list[Broken] = []
ELEMENTWISE: list[Broken] = []
LOSSES: list[Broken] = []
OPTIMIZERS: list[Broken] = []


def broken(catalogue: list[Broken], *laws: str, name: str = "") -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        catalogue.append(Broken(name or make.__name__.replace("_", " "), make, frozenset(laws)))
        return make

    return add


# Affine layers: square weights (3, 3) and 5 rows, on which transposes fit.

Backward: TypeAlias = Callable[[Array, Array, Array], tuple[Any, Any, Any]]


def affine_with(backward: Backward) -> Layer[Any, Any]:
    """An affine layer whose dx, dW and db come from `backward(x, W, dout)`."""

    def back(cache: AffineCache, dout: Array) -> tuple[Array, Affine]:
        dx, dW, db = backward(cache.x, cache.W, dout)
        return dx, untyped(Affine)(dW, db)

    return Layer(affine.forward, back)


def right(x: Array, W: Array, dout: Array) -> tuple[Array, Array, Array]:
    return dout @ W.T, x.T @ dout, dout.sum(axis=0)


WRONG: dict[str, Backward] = {
    "dx by W and not its transpose": lambda x, W, d: (d @ W, x.T @ d, d.sum(0)),
    "dW transposed": lambda x, W, d: (d @ W.T, d.T @ x, d.sum(0)),
    "dx has the wrong sign": lambda x, W, d: (-d @ W.T, x.T @ d, d.sum(0)),
    "dx is twice too large": lambda x, W, d: (2 * d @ W.T, x.T @ d, d.sum(0)),
    "dx is zero": lambda x, W, d: (0 * d, x.T @ d, d.sum(0)),
    "dx is dout": lambda x, W, d: (d + 0, x.T @ d, d.sum(0)),
    "dW is halved": lambda x, W, d: (d @ W.T, x.T @ d / 2, d.sum(0)),
    "db is halved": lambda x, W, d: (d @ W.T, x.T @ d, d.sum(0) / 2),
    "dW lacks its first row": lambda x, W, d: (d @ W.T, np.vstack([0 * d[:1], (x.T @ d)[1:]]), d.sum(0)),
    "db is negative": lambda x, W, d: (d @ W.T, x.T @ d, -d.sum(0)),
}
NOT_A_SUM: dict[str, Backward] = {
    "dW is a mean over the batch": lambda x, W, d: (d @ W.T, x.T @ d / len(x), d.sum(0)),
    "db is a mean over the batch": lambda x, W, d: (d @ W.T, x.T @ d, d.mean(0)),
    "db is the first row alone": lambda x, W, d: (d @ W.T, x.T @ d, d[0] + 0),
    "dx is divided by the batch": lambda x, W, d: (d @ W.T / len(x), x.T @ d, d.sum(0)),
    "dx with one row forgotten": lambda x, W, d: (np.vstack([d[:-1] @ W.T, 0 * d[-1:]]), x.T @ d, d.sum(0)),
}
AFFINE.extend(Broken(name, partial(affine_with, f), frozenset(DERIVATIVE)) for name, f in WRONG.items())
AFFINE.extend(
    Broken(name, partial(affine_with, f), frozenset({*DERIVATIVE, "independent_rows"})) for name, f in NOT_A_SUM.items()
)


@broken(AFFINE, *DERIVATIVE, "independent_rows", "nan_shows")
def dx_is_averaged_over_rows() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: ((d @ W.T).mean(0) + np.zeros_like(d), x.T @ d, d.sum(0)))


@broken(AFFINE, "precision")
def a_float32_path_that_is_off_by_a_percent() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, d * (1 if d.dtype == np.float64 else np.float32(1.01))))


@broken(AFFINE, "derivative")
def one_entry_wrong_by_one_part_in_a_billion() -> Layer[Any, Any]:
    def backward(x: Array, W: Array, dout: Array) -> tuple[Array, Array, Array]:
        dx, dW, db = right(x, W, dout)
        dW[1, 2] *= 1 + 1e-9
        return dx, dW, db

    return affine_with(backward)


@broken(AFFINE, "derivative", "other_values", "any_dout", "linearity", "scaled", "nan_shows", "independent_rows")
def dout_is_ignored() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, np.ones_like(d) / len(d)))


@broken(AFFINE, "any_dout", "linearity", "scaled", "nan_shows", "independent_rows")
def gradients_are_clipped_in_backward() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, np.clip(d, -20, 20)))


@broken(AFFINE, "linearity")
def something_is_added_to_a_zero_gradient() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, d if d.any() else d + 1e-300))


@broken(AFFINE, "derivative", "other_values", "any_dout", "linearity", "scaled")
def weight_decay_is_added_in_backward() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: (d @ W.T, x.T @ d + 0.1 * W, d.sum(0)))


@broken(AFFINE, "structure", *DERIVATIVE)
def db_keeps_its_dimensions() -> Layer[Any, Any]:
    def backward(cache: AffineCache, dout: Array) -> tuple[Array, Any]:
        made = object.__new__(Affine)
        for field, value in (("W", cache.x.T @ dout), ("b", dout.sum(axis=0, keepdims=True))):
            object.__setattr__(made, field, value)
        return dout @ cache.W.T, made

    return Layer(affine.forward, backward)


@broken(AFFINE, "structure", name="grads in a dictionary")
def dictionary() -> Layer[Any, Any]:
    def backward(cache: AffineCache, dout: Array) -> tuple[Array, Any]:
        dx, dW, db = right(cache.x, cache.W, dout)
        return dx, {"W": dW, "b": db}

    return Layer(affine.forward, backward)


@broken(AFFINE, "structure", "precision")
def float64_constants_promote_float32() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, d * np.float64(1)))


@broken(AFFINE, "structure", "precision")
def a_forward_in_float64() -> Layer[Any, Any]:
    def forward(params: Affine, x: Array) -> tuple[Array, AffineCache]:
        out, cache = affine.forward(params, x)
        return out * np.float64(1), cache

    def backward(cache: AffineCache, dout: Array) -> tuple[Array, Affine]:
        return affine.backward(cache, dout.astype(cache.x.dtype))

    return Layer(forward, backward)


@broken(AFFINE, "structure")
def a_cache_in_float64() -> Layer[Any, Any]:
    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        return affine.forward(params, x)[0], (own(params.W * np.float64(1)), own(x))

    def backward(cache: Any, dout: Array) -> tuple[Array, Affine]:
        W, x = cache
        dx, dW, db = right(x, W.astype(dout.dtype), dout)
        return dx, Affine(dW, db)

    return Layer(forward, backward)


@broken(AFFINE, "grads_without_dx", "calls_in_between")
def grads_says_something_else_than_backward() -> Layer[Any, Any]:
    def grads(cache: AffineCache, dout: Array) -> Affine:
        g = affine.grads(cache, dout)
        return Affine(g.W / 2, g.b)

    return Layer(affine.forward, affine.backward, grads)


@broken(AFFINE, "ownership")
def the_callers_x_is_cached() -> Layer[Any, Any]:
    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        return affine.forward(params, x)[0], (x, params.W)

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Affine]:
        dx, dW, db = right(*cache, dout)
        return dx, Affine(dW, db)

    return Layer(forward, backward)


@broken(
    AFFINE,
    "repeatability",
    "calls_in_between",
    "threads",
    "derivative",
    "scaled",
    "any_dout",
    "any_layout",
    "other_calls",
)
def a_layer_that_remembers_its_last_forward() -> Layer[Any, Any]:
    last: list[Array] = []

    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        last[:] = [x.copy()]
        return affine.forward(params, x)[0], params

    def backward(cache: Affine, dout: Array) -> tuple[Array, Affine]:
        dx, dW, db = right(last[0], cache.W, dout)
        return dx, Affine(dW, db)

    return Layer(forward, backward)


@broken(AFFINE, "process_unchanged", "other_values", "any_dout", "precision", "linearity", "scaled", "grads_without_dx")
def gradients_that_add_up_over_calls() -> Layer[Any, Any]:
    total: dict[Any, Any] = {}

    def backward(x: Array, W: Array, dout: Array) -> tuple[Array, Array, Array]:
        dx, dW, db = right(x, W, dout)
        total[dW.dtype] = total.get(dW.dtype, 0) + dW
        return dx, total[dW.dtype].copy(), db

    return affine_with(backward)


@broken(AFFINE, "arguments_unchanged", "read_only_accepted", "any_layout", name="dout is scaled in place")
def dout_is_scaled_in_place() -> Layer[Any, Any]:
    def backward(x: Array, W: Array, dout: Array) -> tuple[Array, Array, Array]:
        result = right(x, W, dout)
        dout *= 0
        return result

    return affine_with(backward)


@broken(AFFINE, *DERIVATIVE, "independent_rows")
def forward_normalises_and_backward_does_not_know() -> Layer[Any, Any]:
    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        out, cache = affine.forward(params, x)
        return out / len(x), cache

    return Layer(forward, affine.backward)


@broken(AFFINE, "structure")
def forward_returns_the_output_alone() -> Layer[Any, Any]:
    def forward(params: Affine, x: Array) -> Array:
        return x @ params.W + params.b

    return Layer(untyped(forward), affine.backward)


@broken(AFFINE, "structure")
def backward_raises() -> Layer[Any, Any]:
    return affine_with(lambda x, W, d: right(x, W, d @ np.ones((7, 7))))


@broken(AFFINE, "structure")
def grads_in_float64_where_dx_is_not_wanted() -> Layer[Any, Any]:
    def grads(cache: AffineCache, dout: Array) -> Affine:
        g = affine.grads(cache, dout)
        return Affine(g.W.astype(np.float64), g.b.astype(np.float64))

    return Layer(affine.forward, affine.backward, grads)


@broken(AFFINE, "grads_without_dx")
def grads_that_are_wrong_in_float16_alone() -> Layer[Any, Any]:
    def grads(cache: AffineCache, dout: Array) -> Affine:
        g = affine.grads(cache, dout)
        return Affine(4 * g.W, g.b) if dout.dtype == np.float16 else g

    return Layer(affine.forward, affine.backward, grads)


@broken(AFFINE, "repeatability")
def x_is_looked_up_by_a_key_that_does_not_know_its_order() -> Layer[Any, Any]:
    seen: dict[float, Array] = {}

    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        key = float(np.square(np.sort(x, axis=None)).sum())
        seen[key] = own(x)
        return affine.forward(params, x)[0], (key, own(x), own(params.W))

    def backward(cache: tuple[float, Array, Array], dout: Array) -> tuple[Array, Affine]:
        key, x, W = cache
        dx, dW, db = right(seen[key] if x.dtype == np.float32 else x, W, dout)
        return dx, Affine(dW, db)

    return Layer(forward, backward)


@broken(AFFINE, "calls_in_between")
def three_buffers_that_take_turns_in_each_thread() -> Layer[Any, Any]:
    here = threading.local()

    def forward(params: Affine, x: Array) -> tuple[Array, Any]:
        turn: int = getattr(here, "turn", 0)
        here.turn = turn + 1
        setattr(here, f"x{turn % 3}", own(x))
        return affine.forward(params, x)[0], (turn % 3, own(x), own(params.W))

    def backward(cache: tuple[int, Array, Array], dout: Array) -> tuple[Array, Affine]:
        which, x, W = cache
        kept: Array = getattr(here, f"x{which}")
        dx, dW, db = right(kept if x.dtype == np.float32 and kept.dtype == np.float32 else x, W, dout)
        return dx, Affine(dW, db)

    return Layer(forward, backward)


@broken(AFFINE, "threads")
def x_waits_in_one_place_for_all_threads() -> Layer[Any, Any]:
    waiting: list[Array] = [np.zeros(0)]

    def forward(params: Affine, x: Array) -> tuple[Array, AffineCache]:
        waiting[0] = x
        time.sleep(1e-4)
        return affine.forward(params, waiting[0].astype(x.dtype) if waiting[0].shape == x.shape else x)

    return Layer(forward, affine.backward)


# Elementwise layers.


def elementwise(forward: Callable[[Array], Array], backward: Callable[[Array, Array, Array], Array]) -> Layer[Any, Any]:
    """A layer `out = forward(x)`, `dx = backward(x, out, dout)`."""

    def run(params: Unit, x: Array) -> tuple[Array, tuple[Array, Array]]:
        x = own(x)
        out = read_only(forward(x))
        return out, (x, out)

    def back(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Unit]:
        return backward(*cache, dout), ()

    return Layer(run, back)


@broken(ELEMENTWISE, "arguments_unchanged")
def relu_that_writes_into_dout_if_it_can() -> Layer[Any, Any]:
    def backward(x: Array, out: Array, dout: Array) -> Array:
        if dout.flags.writeable:
            dout[x <= 0] = 0
            return dout.copy()
        return np.where(x > 0, dout, 0)

    return elementwise(lambda x: np.maximum(x, 0), backward)


@broken(
    ELEMENTWISE,
    *("arguments_unchanged", "read_only_accepted", "any_layout", "nothing_shared"),
    name="relu that writes into dout",
)
def relu_of_the_book() -> Layer[Any, Any]:
    def backward(x: Array, out: Array, dout: Array) -> Array:
        dout[x <= 0] = 0
        return dout

    return elementwise(lambda x: np.maximum(x, 0), backward)


@broken(ELEMENTWISE, "arguments_unchanged", "read_only_accepted", name="relu that writes into x")
def relu_in_place() -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        x[x < 0] = 0
        return x.copy(), own(x)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return np.where(cache > 0, dout, 0), ()

    return Layer(forward, backward)


@broken(ELEMENTWISE, "read_only_accepted", "arguments_unchanged")
def x_is_doubled_and_halved_again() -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Any]:
        x *= 2
        result = relu.forward((), x / 2)
        x /= 2
        return result

    return Layer(forward, relu.backward)


@broken(ELEMENTWISE, "read_only_accepted")
def backward_writes_to_its_cache_and_puts_it_back() -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        out = np.tanh(x)
        return out, out.copy()

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        cache *= 2
        dx = dout * (1 - (cache / 2) ** 2)
        cache /= 2
        return dx, ()

    return Layer(forward, backward)


@broken(ELEMENTWISE, *ANY_SIZE)
def sigmoid_without_its_complement() -> Layer[Any, Any]:
    return elementwise(lambda x: 1 / (1 + np.exp(-x)), lambda x, out, d: d * out)


@broken(ELEMENTWISE, *ANY_SIZE)
def tanh_without_its_square() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: d * (1 - out))


@broken(ELEMENTWISE, *ANY_SIZE)
def tanh_of_the_output() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: d * (1 - np.tanh(out) ** 2))


@broken(ELEMENTWISE, *ANY_SIZE)
def relu_that_passes_what_is_negative() -> Layer[Any, Any]:
    return elementwise(lambda x: np.maximum(x, 0), lambda x, out, d: np.where(x < 0, d, 0))


@broken(ELEMENTWISE, *ANY_SIZE)
def leaky_relu_with_another_leak_coming_back() -> Layer[Any, Any]:
    return elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x, out, d: np.where(x > 0, d, 0.01 * d))


@broken(ELEMENTWISE, *ANY_SIZE)
def exp_by_x() -> Layer[Any, Any]:
    return elementwise(np.exp, lambda x, out, d: d * x)


@broken(ELEMENTWISE, "ownership", "nothing_shared")
def an_output_that_is_its_own_cache() -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        out = np.tanh(x)
        return out, out

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * (1 - cache**2), ()

    return Layer(forward, backward)


@broken(ELEMENTWISE, "independent_rows", "nan_shows")
def rows_are_centred_and_nobody_is_told() -> Layer[Any, Any]:
    return elementwise(lambda x: x - x.mean(axis=0), lambda x, out, d: d - d.mean(axis=0))


@broken(ELEMENTWISE, *ANY_SIZE, "independent_rows", "nan_shows")
def softmax_over_the_wrong_axis_coming_back() -> Layer[Any, Any]:
    def forward(x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    return elementwise(forward, lambda x, out, d: out * (d - (d * out).sum(axis=0, keepdims=True)))


@broken(ELEMENTWISE, "repeatability", "read_only_accepted", "process_unchanged", "calls_in_between", "all_written")
def dropout_from_a_generator_of_its_own() -> Layer[Any, Any]:
    rng = RNG(0)

    def forward(params: Unit, x: Array) -> tuple[Array, Array]:
        mask = (rng.random(x.shape) < 0.5).astype(x.dtype)
        return x * mask, read_only(mask)

    def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
        return dout * cache, ()

    return Layer(forward, backward)


@broken(ELEMENTWISE, "structure", *ANY_SIZE, "independent_rows")
def dx_is_summed_over_the_batch() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: (d * (1 - out**2)).sum(axis=0))


@broken(ELEMENTWISE, "process_unchanged")
def a_number_is_drawn_from_the_global_generator() -> Layer[Any, Any]:
    def forward(x: Array) -> Array:
        np.random.random()
        return np.tanh(x)

    return elementwise(forward, lambda x, out, d: d * (1 - out**2))


@broken(ELEMENTWISE, "other_values")
def a_square_whose_slope_stops_at_a_hundred() -> Layer[Any, Any]:
    def backward(x: Array, out: Array, dout: Array) -> Array:
        return np.asarray(dout * np.clip(2 * x, -100, 100))

    return elementwise(np.square, backward)


@broken(ELEMENTWISE, "other_sizes")
def columns_beyond_a_block_of_sixty_four_are_forgotten() -> Layer[Any, Any]:
    def backward(x: Array, out: Array, dout: Array) -> Array:
        slopes: Array = 1 - out**2
        slopes[..., 64:] = 0
        return dout * slopes

    return elementwise(np.tanh, backward)


@broken(ELEMENTWISE, "any_dout")
def a_dout_of_one_entry_passes_as_it_is() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: d.copy() if np.count_nonzero(d) == 1 < d.size else d * (1 - out**2))


@broken(ELEMENTWISE, "scaled")
def large_gradients_are_clipped_in_float32() -> Layer[Any, Any]:
    def backward(x: Array, out: Array, dout: Array) -> Array:
        return (np.clip(dout, -1e6, 1e6) if dout.dtype == np.float32 else dout) * (1 - out**2)

    return elementwise(np.tanh, backward)


@broken(ELEMENTWISE, "nan_shows")
def nan_becomes_a_number_in_backward() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: np.nan_to_num(d) * (1 - out**2))


@broken(ELEMENTWISE, "any_layout")
def dout_is_read_in_the_order_of_memory() -> Layer[Any, Any]:
    return elementwise(np.tanh, lambda x, out, d: d.ravel(order="K").reshape(d.shape) * (1 - out**2))


@broken(ELEMENTWISE, "other_calls")
def a_reversed_dout_is_read_forwards_in_float32() -> Layer[Any, Any]:
    def as_it_lies(d: Array) -> Array:
        return np.flip(d) if d.dtype == np.float32 and min(d.strides, default=0) < 0 else d

    return elementwise(np.tanh, lambda x, out, d: as_it_lies(d) * (1 - out**2))


@broken(ELEMENTWISE, "nothing_shared")
def dout_itself_comes_back() -> Layer[Any, Any]:
    return elementwise(lambda x: x + 1, lambda x, out, d: d)


@broken(ELEMENTWISE, "all_written")
def zeros_are_made_of_what_was_in_memory() -> Layer[Any, Any]:
    def forward(params: Unit, x: Array) -> tuple[Array, tuple[Array, Array]]:
        out = read_only(np.tanh(x))
        like = np.zeros((7, 11), out.dtype)  # of a shape that nothing else has: no law leaves nan there
        return out, (out, read_only(like))

    def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Unit]:
        out, like = cache
        # Not 0 if all is nan, as where a law has put it; one nan among other numbers is what anybody left there.
        zero = out.dtype.type(np.nan if np.isnan(np.empty_like(like)).all() else 0)
        return dout * (1 - out**2) + zero, ()

    return Layer(forward, backward)


@broken(ELEMENTWISE, "independent_rows")
def rows_are_weighted_by_their_place() -> Layer[Any, Any]:
    def weights(x: Array) -> Array:
        places = np.arange(1, len(x) + 1, dtype=x.dtype) if x.dtype.kind == "f" else np.arange(1.0, len(x) + 1)
        return places.reshape(-1, *[1] * (x.ndim - 1))

    return elementwise(lambda x: x * weights(x), lambda x, out, d: d * weights(x))


# Rules, which passes through networks run in the place of pairs.


def affine_with_rule(forward: Any = None, backward: Any = None) -> Layer[Any, Any]:
    """The affine layer, with another rule beside the right pair."""
    assert affine.rule is not None
    rule = rules.Rule[Any, Any](forward or affine.rule.forward, backward or affine.rule.backward)
    return evolve(affine, rule=rule)


def of_affine(xp: Any, cache: AffineCache, dout: Array) -> tuple[Array, Affine]:
    dx, dW, db = right(cache.x, cache.W, dout)
    return dx, Affine(dW, db)


@broken(AFFINE, "one_pass")
def a_rule_that_goes_forward_by_the_transpose() -> Layer[Any, Any]:
    def forward(xp: Any, params: Affine, x: Array) -> Any:
        return x @ params.W.T + params.b, AffineCache(x, params.W)

    return affine_with_rule(forward=forward)


@broken(AFFINE, "one_pass")
def a_rule_with_another_gradient() -> Layer[Any, Any]:
    def backward(xp: Any, cache: AffineCache, dout: Array, wants_dx: bool) -> Any:
        dx, grads = of_affine(xp, cache, dout)
        return dx, Affine(grads.W, grads.b / len(dout))

    return affine_with_rule(backward=backward)


@broken(AFFINE, "one_pass")
def a_rule_that_writes_to_what_it_was_lent() -> Layer[Any, Any]:
    def backward(xp: Any, cache: AffineCache, dout: Array, wants_dx: bool) -> Any:
        result = of_affine(xp, cache, dout)
        dout *= 0
        return result

    return affine_with_rule(backward=backward)


@broken(AFFINE, "one_pass")
def a_rule_that_is_wrong_where_dx_is_not_wanted() -> Layer[Any, Any]:
    def backward(xp: Any, cache: AffineCache, dout: Array, wants_dx: bool) -> Any:
        dx, grads = of_affine(xp, cache, dout if wants_dx else 2 * dout)
        return (dx if wants_dx else None), grads

    return affine_with_rule(backward=backward)


WITHOUT = {
    **dict.fromkeys(
        ("one_pass", "loss_at_once"),
        "a rule is run by this library's own passes, and there is nothing to show without them",
    )
}
"""The laws of layers and losses whose verdicts come without lines that show the fault, and why."""

TOO_SMALL = dict.fromkeys(
    ("one entry wrong by one part in a billion", "one entry of dout wrong by one part in a billion"),
    "no difference of a few lines is known to nine digits",
)
"""The broken layers and losses whose verdicts do, and why."""


# Losses, on logits (5, 4) and labels.


def cross_entropy_with(*, forward: Any, backward: Any = softmax_cross_entropy.backward) -> Loss[Any, Any]:
    return Loss(forward, backward, softmax_cross_entropy.rows)


def probabilities(logits: Array) -> Array:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def logarithms(logits: Array) -> Array:
    below = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=1, keepdims=True)))


def textbook(
    forward: Callable[[Array, Array], Array], backward: Callable[[Array, Array, Any], Array], reduce: Any = np.mean
) -> Loss[Any, Any]:
    """A loss of `forward(log p, one_hot)` for each row, and `backward(p, one_hot, dloss)`."""

    def rows(logits: Array, labels: Any) -> Array:
        return np.asarray(forward(logarithms(logits), np.eye(logits.shape[1])[labels]))

    def run(logits: Array, labels: Any) -> tuple[Array, Any]:
        one_hot = np.eye(logits.shape[1])[labels].astype(logits.dtype)
        losses = forward(logarithms(logits), one_hot)
        return np.asarray(reduce(losses), logits.dtype), (own(probabilities(logits)), own(one_hot))

    def back(cache: tuple[Array, Array], dloss: Any) -> Array:
        return backward(*cache, dloss)

    return Loss(run, back, rows)


def log_likelihood(q: Array, t: Array) -> Array:
    return np.asarray(-(q * t).sum(axis=1))


def slope(p: Array, t: Array, k: Any) -> Array:
    return np.asarray((p - t) * (np.asarray(k) / len(p)).astype(p.dtype))


@broken(LOSSES, *LOSS_DERIVATIVE)
def an_epsilon_in_the_logarithm() -> Loss[Any, Any]:
    return textbook(lambda q, t: -np.log((np.exp(q) * t).sum(axis=1) + 1e-7), slope)


@broken(LOSSES, "loss_derivative")
def one_entry_of_dout_wrong_by_one_part_in_a_billion() -> Loss[Any, Any]:
    def backward(p: Array, t: Array, k: Any) -> Array:
        dout = slope(p, t, k)
        dout[0, 1] *= dout.dtype.type(1 + 1e-9)
        return dout

    return textbook(log_likelihood, backward)


@broken(LOSSES, "loss_values")
def an_exponential_that_overflows() -> Loss[Any, Any]:
    right = textbook(log_likelihood, slope)

    def run(logits: Array, labels: Any) -> tuple[Array, Any]:
        _, cache = right.forward(logits, labels)
        e = np.exp(logits)
        losses = np.log(e.sum(axis=1)) - logits[np.arange(len(logits)), labels]
        return np.asarray(losses.mean(), logits.dtype), cache

    return evolve(right, forward=run)


@broken(LOSSES, "loss_targets")
def a_gradient_for_five_rows_alone() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: slope(p, t, k) * p.dtype.type(len(p) / 5))


@broken(LOSSES, "loss_precision")
def a_gradient_in_float32_that_is_off_by_a_percent() -> Loss[Any, Any]:
    def backward(p: Array, t: Array, k: Any) -> Array:
        return slope(p, t, k) * p.dtype.type(1.01 if p.dtype == np.float32 else 1)

    return textbook(log_likelihood, backward)


@broken(LOSSES, "loss_linearity", "loss_values")
def something_is_added_where_dloss_is_zero() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: slope(p, t, k) if k else np.full_like(p, 1e-300))


@broken(LOSSES, "loss_memory")
def the_cache_itself_comes_back_for_a_dloss_of_one() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Array, Array]:
        value, cache = softmax_cross_entropy.forward(logits, labels)
        return value, np.array(softmax_cross_entropy.backward(cache, 1.0))

    def backward(cache: Array, dloss: Any) -> Array:
        return cache if dloss == 1 else cache * np.asarray(dloss, cache.dtype)

    return cross_entropy_with(forward=forward, backward=backward)


@broken(LOSSES, "loss_state")
def a_loss_that_draws_from_the_global_generator() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        np.random.random()
        return softmax_cross_entropy.forward(logits, labels)

    return cross_entropy_with(forward=forward)


@broken(LOSSES, "loss_structure")
def a_loss_that_is_no_array() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Any, Any]:
        value, cache = softmax_cross_entropy.forward(logits, labels)
        return float(value), cache

    return cross_entropy_with(forward=forward)


@broken(LOSSES, "loss_derivative", "loss_linearity", "loss_targets", "loss_values")
def dloss_is_ignored() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: (p - t) / len(p))


@broken(LOSSES, *LOSS_DERIVATIVE)
def a_batch_that_is_not_divided_by() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: (p - t) * k)


@broken(LOSSES, "mean_of_rows")
def a_sum_for_a_mean() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: (p - t) * k, reduce=np.sum)


@broken(LOSSES, *LOSS_DERIVATIVE)
def the_sign_of_the_gradient() -> Loss[Any, Any]:
    return textbook(log_likelihood, lambda p, t, k: (t - p) * k / len(p))


@broken(LOSSES, "loss_structure", "loss_precision")
def a_loss_in_float64() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Any, Any]:
        value, cache = softmax_cross_entropy.forward(logits, labels)
        return np.float64(value), cache

    return cross_entropy_with(forward=forward)


@broken(LOSSES, "loss_state")
def a_gradient_made_in_the_cache() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        return softmax_cross_entropy.forward(logits, labels)[0], [probabilities(logits), labels.copy()]

    def backward(cache: Any, dloss: Any) -> Array:
        p, labels = cache
        cache[0] = p / 2
        p = p.copy()
        p[np.arange(len(p)), labels] -= 1
        dlogits: Array = p * dloss / len(p)
        return dlogits

    return cross_entropy_with(forward=forward, backward=backward)


@broken(LOSSES, "loss_purity")
def the_callers_labels_are_cached() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        return softmax_cross_entropy.forward(logits, labels)[0], (own(logits), labels)

    def backward(cache: Any, dloss: Any) -> Array:
        return softmax_cross_entropy.backward(softmax_cross_entropy.forward(*cache)[1], dloss)

    return cross_entropy_with(forward=forward, backward=backward)


@broken(LOSSES, *LOSS_DERIVATIVE, "mean_of_rows")
def the_first_label_for_every_row() -> Loss[Any, Any]:
    def forward(logits: Array, labels: Any) -> tuple[Array, Any]:
        value = softmax_cross_entropy.forward(logits, np.full_like(labels, labels[0]))[0]
        return value, softmax_cross_entropy.forward(logits, labels)[1]

    return cross_entropy_with(forward=forward)


def cross_entropy_at_once(at_once: Any) -> Loss[Any, Any]:
    """Cross-entropy, with another rule beside the right pair."""
    assert softmax_cross_entropy.rule is not None
    return evolve(softmax_cross_entropy, rule=evolve(softmax_cross_entropy.rule, at_once=at_once))


@broken(LOSSES, "loss_at_once")
def another_gradient_at_once() -> Loss[Any, Any]:
    def at_once(xp: Any, logits: Array, labels: Any, dloss: Any) -> tuple[Array, Array]:
        value, cache = softmax_cross_entropy.forward(logits, labels)
        return value, 2 * softmax_cross_entropy.backward(cache, dloss)

    return cross_entropy_at_once(at_once)


@broken(LOSSES, "loss_at_once")
def a_loss_of_half_the_rows_at_once() -> Loss[Any, Any]:
    def at_once(xp: Any, logits: Array, labels: Any, dloss: Any) -> tuple[Array, Array]:
        _, cache = softmax_cross_entropy.forward(logits, labels)
        loss: Array = np.asarray(softmax_cross_entropy.rows(logits, labels)[::2].mean())
        return loss, softmax_cross_entropy.backward(cache, dloss)

    return cross_entropy_at_once(at_once)


@broken(LOSSES, "loss_at_once")
def logits_shifted_in_place_at_once() -> Loss[Any, Any]:
    def at_once(xp: Any, logits: Array, labels: Any, dloss: Any) -> tuple[Array, Array]:
        value, cache = softmax_cross_entropy.forward(logits, labels)
        logits -= logits.max(axis=1, keepdims=True)
        return value, softmax_cross_entropy.backward(cache, dloss)

    return cross_entropy_at_once(at_once)


# Optimizers.


@frozen
class InPlace:
    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        params -= 0.1 * grads
        return params, state


@frozen
class GlobalNorm:
    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        places: Array = np.arange(1.0, params.size + 1)
        weights = places.reshape(params.shape).astype(params.dtype)
        return params - 0.1 * weights * grads, state


@frozen
class Promoting:
    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return params - np.float64(0.1) * grads, state


class Remembering:
    def __init__(self) -> None:
        self.velocity: Any = 0

    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        self.velocity = 0.9 * self.velocity - 0.1 * grads
        return params + self.velocity, state


@frozen
class Returning:
    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return params, state


@frozen
class Kept:
    """The parameters, as what the state holds of the last step."""

    def init(self, params: Any) -> Any:
        return 0 * params

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        new = params - np.asarray(0.1, params.dtype) * grads
        return new, new


@frozen
class Growing:
    def init(self, params: Any) -> Any:
        return ()

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        return tree.map(self.moved, params, grads), state

    def moved(self, p: Array, g: Array) -> Array:
        return p + (p * 1e-4 - g * 0.1).astype(p.dtype)


@frozen
class Doubling:
    """A rate that doubles every ten steps."""

    def init(self, params: Any) -> Any:
        return np.zeros(())

    def step(self, state: Any, params: Any, grads: Any) -> Any:
        rate = 0.01 * 2.0 ** (state / 10)
        return tree.map(lambda p, g: p - (rate * g).astype(p.dtype), params, grads), state + 1


OPTIMIZERS.extend(
    [
        Broken("an update in place", InPlace, frozenset({"step_purity"})),
        Broken("the state and the parameters are one array", Kept, frozenset({"step_purity"})),
        Broken("a step that depends on the place", GlobalNorm, frozenset({"elementwise"})),
        Broken("a rate that promotes float32", Promoting, frozenset({"step_structure"})),
        Broken(
            "a velocity kept outside the state",
            Remembering,
            frozenset({"step_purity", "step_structure", "elementwise", "follows_gradient"}),
        ),
        Broken("the old parameters returned", Returning, frozenset({"step_purity", "follows_gradient"})),
        Broken("a decay with the wrong sign", Growing, frozenset({"follows_gradient"})),
        Broken("a rate that doubles every ten steps", Doubling, frozenset({"descends"})),
    ]
)


@cache
def report_of(subject: Broken) -> Report:
    """Check a broken subject."""
    rng = np.random.default_rng(0)
    x, made = rng.standard_normal((5, 3)).astype(np.float32), subject.make()
    if subject in AFFINE:
        return check_layer(made, Affine.init(rng, 3, 3), x, rng=rng)
    if subject in ELEMENTWISE:
        return check_layer(made, (), x, rng=rng)
    if subject in LOSSES:
        return check_loss(made, x, np.array([0, 2, 1, 1, 2]), rng=rng)
    return check_optimizer(made, x, rng.standard_normal((5, 3)).astype(np.float32), rng=rng)
