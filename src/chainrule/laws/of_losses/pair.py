"""The laws of a loss as it is given: one number, its gradient, which is linear in `dloss`, and its rule."""

import math
from contextlib import suppress
from typing import TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict, compare
from chainrule.laws.of_layers.derivative import derivative
from chainrule.laws.of_layers.structure import like_argument
from chainrule.laws.of_losses._as_layer import IGNORED, as_layer, of_ignored, renamed, rounding_of_loss, run_loss
from chainrule.laws.of_losses._slopes import with_slopes
from chainrule.laws.trials.copies import in_float64, targets_in_float64, writable
from chainrule.loss import Loss
from chainrule.rules.passes import in_pass

T = TypeVar("T")
C = TypeVar("C")


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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_structure(mean_squared_error, out, targets, rng))
    True
    """
    value, cache = run_loss(loss, out, targets)
    dout = loss.backward(cache, 1.0)
    one = np.zeros((), out.dtype)
    return [like_argument("loss_structure", "loss", value, one), like_argument("loss_structure", "dout", dout, out)]


def loss_derivative(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward(1)` is the gradient of the loss with respect to `out`, entry by entry.

    It is computed in float64 on copies: by complex step where the loss is analytic, by bursts of differences elsewhere.

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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_derivative(mean_squared_error, out, targets, rng))
    True
    """
    verdicts = derivative(as_layer(loss, targets_in_float64(targets)), (), out, rng)
    of_dout = renamed("loss_derivative", [each for each in verdicts if each.field == "dx"])
    return of_ignored(loss, out, targets, of_dout)


def loss_linearity(loss: Loss[T, C], out: Array, targets: T, rng: np.random.Generator) -> list[Verdict]:
    """`backward` is linear in `dloss`: `b(k) = k b(1)`, and `b(0) = 0` exactly.

    A `dloss` of nan shows in it wherever it is not 0. If all of it is 0, as where `out` is the targets, an `out` beside
    it is taken.

    Parameters
    ----------
    loss, out, targets
        The loss, and the arguments to run it on.
    rng
        The generator that draws k, an `out` beside the given one, and the direction in which rounding is measured.

    Returns
    -------
    list[Verdict]
        For `dout`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_linearity(mean_squared_error, out, targets, rng))
    True
    """
    out, targets = in_float64(out), targets_in_float64(targets)
    out = with_slopes(loss, out, targets, rng)
    _, cache = run_loss(loss, out, targets)
    k = 1.5 + float(rng.random())
    once, often, never = (np.array(loss.backward(cache, dloss)) for dloss in (1.0, k, 0.0))
    clipped = f"it is the same for a dloss of 1 and of {k:.3g}: is it clipped?"
    same = IGNORED if np.array_equal(once, never) else clipped
    note = same if np.array_equal(once, often) and once.any() else ""
    known = np.isfinite(once)  # a nan or an infinity times 0 is no number
    if never[known].any():
        return [Verdict("loss_linearity", "dout", ok=False, note=note or "it is not 0 for dloss = 0")]
    with suppress(ValueError, ArithmeticError), np.errstate(all="ignore"):  # it refuses a nan, which is an answer
        if np.isfinite(np.asarray(loss.backward(cache, math.nan))[known & (once != 0)]).any():
            words = "a dloss of nan does not show in it: is it replaced by a number?"
            return [Verdict("loss_linearity", "dout", ok=False, note=note or words)]
    expected = np.where(known, k * once, np.nan)
    return [compare("loss_linearity", "dout", often, expected, rounding_of_loss(loss, out, targets, rng), note=note)]


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

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> out, targets = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.loss_at_once(mean_squared_error, out, targets, rng))
    True
    """
    if loss.rule is None:
        return []
    k = float(rng.standard_normal())
    value, cache = run_loss(loss, out, targets)
    dout = loss.backward(cache, k)
    given, wanted = writable(out), writable(targets)
    xp = in_pass(given, ())
    one, other = xp.quietly(loss.rule.at_once, xp, given, wanted, k)
    untouched = tree.equal((out, targets), (given, wanted))
    return [
        Verdict("loss_at_once", "arguments", untouched, "" if untouched else "it wrote to one of its arguments"),
        compare("loss_at_once", "loss", np.asarray(one), np.asarray(value), 0.0),
        compare("loss_at_once", "dout", other, dout, 0.0),
    ]
