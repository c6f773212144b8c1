"""An out at which a loss has a gradient to look at: beside a minimum, where every faulty one is 0 too."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.arrays.types import Array
from chainrule.laws.of_losses._as_layer import run_loss
from chainrule.laws.of_losses._cases import are_shares
from chainrule.laws.trials.sizes import in_unit_interval, sizes_of
from chainrule.loss import Loss

MOVES = 4
"""The number of places that are tried."""

SHARE = 0.25
"""By what share of the way to other numbers those between 0 and 1 are moved, which stay there."""


def with_slopes(loss: Loss[Any, Any], out: Array, targets: Any, rng: np.random.Generator) -> Array:
    """The out, or one beside it that the loss takes if all of its gradient is 0; itself, if it is 0 there too."""
    if not out.size or _has_slopes(loss, out, targets):
        return out
    return next((each for each in _moved(out, rng) if _has_slopes(loss, each, targets)), out)


def _has_slopes(loss: Loss[Any, Any], out: Array, targets: Any) -> bool:
    try:
        with np.errstate(all="ignore"):
            value, cache = run_loss(loss, out, targets)
            return bool(np.isfinite(value).all() and np.any(loss.backward(cache, 1.0)))
    except Exception:  # it refuses this out
        return False


def _moved(out: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Numbers that are off by about their own size; shares and those between 0 and 1 remain so."""
    for _ in range(MOVES):
        if in_unit_interval(out):
            drawn = rng.uniform(0.1, 0.9, out.shape)
            other = drawn / drawn.sum(axis=-1, keepdims=True) if are_shares(out) else drawn
            moved = (1 - SHARE) * out + SHARE * other
        else:
            moved = out + sizes_of(out) * rng.uniform(0.2, 0.9, out.shape) * rng.choice([-1.0, 1.0], out.shape)
        yield np.asarray(moved, out.dtype)
