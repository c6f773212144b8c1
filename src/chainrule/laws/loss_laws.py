"""The laws of losses. Each takes a loss, an output, targets and a Generator, and gives a verdict for every field."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.arrays.types import Array, is_tuple
from chainrule.checking.numerical_gradient import numerical_gradient
from chainrule.checking.verdict import Verdict, compare
from chainrule.laws.copies import in_float64, read_only_copy, writable
from chainrule.laws.derivative_law import hinted, noted
from chainrule.laws.layer_laws import ROUNDING
from chainrule.laws.oracle import BOUNDS, best_method
from chainrule.loss import Loss
from chainrule.rules.passes import in_pass

T = TypeVar("T")
C = TypeVar("C")

LossLaw: TypeAlias = Callable[[Loss[Any, Any], Array, Any, np.random.Generator], list[Verdict]]


def loss_structure(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The loss is one number in the dtype of `out`, and `dout` has the shape and dtype of `out`.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For the loss and `dout`.
    """
    value, cache = _forward(loss, out, targets)
    dout = loss.backward(cache, 1.0)
    one = np.zeros((), out.dtype)
    return [_alike("loss", value, one), _alike("dout", dout, out)]


def loss_derivative(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward(1)` is the gradient of the loss with respect to `out`, entry by entry.

    It is computed in float64 on copies: by complex step where the loss is analytic, by central differences elsewhere.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator of the direction in which the two methods are compared first.

    Returns
    -------
    list[Verdict]
        For `dout`.
    """
    out, targets = in_float64(out), in_float64(targets)
    _, cache = _forward(loss, out, targets)
    dout = loss.backward(cache, 1.0)

    def value(at: Array) -> Array:
        return loss.forward(at, targets)[0]

    method = best_method(value, out, rng)
    expected = numerical_gradient(value, out, method=method)
    return [hinted("loss_derivative", "dout", dout, expected, *BOUNDS[method], rows=len(out))]


def loss_linearity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward` is linear in `dloss`: `b(k) = k b(1)`, and `b(0) = 0` exactly.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws k.

    Returns
    -------
    list[Verdict]
        For `dout`.
    """
    out, targets = in_float64(out), in_float64(targets)
    _, cache = _forward(loss, out, targets)
    k = 1.5 + float(rng.random())
    once, often, never = (loss.backward(cache, dloss) for dloss in (1.0, k, 0.0))
    note = "it is the same for every dloss: was it ignored?" if np.array_equal(once, often) and once.any() else ""
    if never.any():
        return [Verdict("loss_linearity", "dout", ok=False, note=note or "it is not 0 for dloss = 0")]
    return [compare("loss_linearity", "dout", often, k * once, ROUNDING, note=note)]


def loss_purity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, read-only ones are accepted, calls repeat, and writing to `out` changes no gradient.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on; copies are used.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership.
    """
    given, wanted = writable(out), writable(targets)
    value, cache = _forward(loss, given, wanted)
    kept = writable(cache)
    first = writable(loss.backward(cache, 1.0))
    untouched = tree.equal((out, targets, kept), (given, wanted, cache))
    frozen_value, frozen_cache = _forward(loss, read_only_copy(out), read_only_copy(targets))
    repeats = tree.equal((value, first), (frozen_value, loss.backward(frozen_cache, 1.0)))
    repeats = repeats and tree.equal(first, loss.backward(cache, 1.0))
    for leaf in tree.leaves((given, wanted)):
        leaf[...] = -2 * leaf  # other sizes and other signs
    owns = tree.equal(first, loss.backward(cache, 1.0))
    return [
        Verdict("loss_purity", "arguments", untouched, "" if untouched else "a call wrote to one of its arguments"),
        Verdict("loss_purity", "repetition", repeats, "" if repeats else "the same call gives other numbers"),
        Verdict("loss_purity", "ownership", owns, "" if owns else "the cache shares the caller's memory"),
    ]


def mean_of_rows(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The loss is the mean of `rows`, and each row's loss depends on that row alone.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        Not used: all laws of losses take one.

    Returns
    -------
    list[Verdict]
        For the loss and the rows.
    """
    out, targets = in_float64(out), in_float64(targets)
    value, _ = _forward(loss, out, targets)
    rows = np.asarray(loss.rows(out, targets))
    if rows.shape != out.shape[:-1]:
        return [Verdict("mean_of_rows", "rows", ok=False, note=f"has shape {rows.shape}, expected {out.shape[:-1]}")]
    alone = [loss.rows(out[i : i + 1], tree.map(partial(_row, i), targets)) for i in range(len(out))]
    mean = np.asarray(rows.mean())
    of_loss = compare("mean_of_rows", "loss", np.asarray(value), mean, ROUNDING)
    of_rows = compare("mean_of_rows", "rows", rows, np.concatenate(alone), ROUNDING)
    return [noted(of_loss, "the loss is not the mean of its rows: a sum?"), noted(of_rows, "rows depend on each other")]


def loss_at_once(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """The rule of a loss has the results of `forward` and `backward`, to the last bit, and writes to no argument.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws `dloss`.

    Returns
    -------
    list[Verdict]
        For arguments, the loss and `dout`; none if the loss has no rule.
    """
    if loss.rule is None:
        return []
    k = float(rng.standard_normal())
    value, cache = _forward(loss, out, targets)
    dout = loss.backward(cache, k)
    given, wanted = writable(out), writable(targets)
    one, other = loss.rule.at_once(in_pass(given, ()), given, wanted, k)
    untouched = tree.equal((out, targets), (given, wanted))
    return [
        Verdict("loss_at_once", "arguments", untouched, "" if untouched else "it wrote to one of its arguments"),
        compare("loss_at_once", "loss", np.asarray(one), np.asarray(value), 0.0),
        compare("loss_at_once", "dout", other, dout, 0.0),
    ]


LOSS_LAWS: dict[str, LossLaw] = {
    "loss_structure": loss_structure,
    "loss_derivative": loss_derivative,
    "loss_linearity": loss_linearity,
    "loss_purity": loss_purity,
    "mean_of_rows": mean_of_rows,
    "loss_at_once": loss_at_once,
}
"""All laws of losses, by name."""


def _forward(loss: Loss[T, C], out: Array, targets: T) -> tuple[Array, C]:
    result: object = loss.forward(out, targets)
    if not is_tuple(result) or len(result) != 2:
        raise TypeError(f"forward must return (loss, cache), got {describe(result)}")
    return cast("tuple[Array, C]", result)


def _row(i: int, targets: Array) -> Array:
    return targets[i : i + 1]


def _alike(name: str, got: object, like: Array) -> Verdict:
    ok = describe(got) == describe(like)
    return Verdict("loss_structure", name, ok, "" if ok else f"is {describe(got)}, expected {describe(like)}")
