"""Losses made of the arithmetic of their rows, the data that suits each form, and how a gradient is spoiled."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from adversaries import loss_forms as forms
from adversaries.case import LossCase
from chainrule import Loss, own

Rows: TypeAlias = Callable[[Any, Any], Any]
Draw: TypeAlias = Callable[[np.random.Generator, int], tuple[Any, Any]]


@frozen
class Seen:
    """All that a spoiler of a gradient sees."""

    out: Any
    targets: Any
    dloss: Any
    slopes: Any
    dout: Any
    """The right gradient, fresh."""

    @property
    def n(self) -> int:
        return int(self.out[..., 0].size)

    def of(self, slopes: Any) -> Any:
        """The gradient that other slopes give."""
        return slopes * (float(self.dloss) / self.n)


Spoil: TypeAlias = Callable[[Seen], Any]


def made(rows: Rows, spoil: Spoil | None = None) -> Loss[Any, Any]:
    """The loss that is the mean of `rows`, whose gradient is spoiled if a function is given for it."""

    def forward(out: Any, targets: Any) -> tuple[Any, Any]:
        with np.errstate(all="ignore"):
            losses, slopes = rows(out, targets)
            return np.asarray(losses.mean(), out.dtype), own((out, targets, np.asarray(slopes, out.dtype)))

    def backward(cache: Any, dloss: Any) -> Any:
        out, targets, slopes = cache
        with np.errstate(all="ignore"):
            dout = slopes * np.asarray(dloss / slopes[..., 0].size, slopes.dtype)
            return dout if spoil is None else np.asarray(spoil(Seen(out, targets, dloss, slopes, dout)), dout.dtype)

    def of_rows(out: Any, targets: Any) -> Any:
        with np.errstate(all="ignore"):
            return rows(out, targets)[0]

    return Loss(forward, backward, of_rows)


def labelled(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.integers(0, k, n))


def numbered(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.standard_normal((n, k)))


def likely(k: int) -> Draw:
    """Of probabilities that float16 holds too."""
    return lambda rng, n: (rng.standard_normal((n, k)), rng.multinomial(64, [1 / k] * k, n) / 64)


def signed(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.choice([-1, 1], (n, k)))


def binary(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.integers(0, 2, (n, k)))


def counted(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.poisson(2.0, (n, k)))


def positive(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.exponential(1.0, (n, k)))


def weighted(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), (rng.integers(0, k, n), rng.uniform(0.5, 2.0, n)))


def bounded(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), (rng.standard_normal((n, k)), rng.uniform(0.5, 1.5, n)))


def partly(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), (rng.standard_normal((n, k)), rng.random((n, k)) < 0.7))


def mixed(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k + 1)), (rng.integers(0, k, n), rng.standard_normal(n)))


def graded(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.integers(0, k + 1, n))


def rated(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    return rng.standard_normal((n, 1)), rng.integers(0, 10, n)


def ignored(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), rng.integers(-1, k, n))


def halved(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, 2 * k)), rng.standard_normal((n, k)))


def alone(k: int) -> Draw:
    return lambda rng, n: (rng.standard_normal((n, k)), ())


DRAWS: dict[Rows, Draw] = {
    forms.cross_entropy: labelled(4),
    forms.soft_cross_entropy: likely(4),
    forms.smoothed_cross_entropy: labelled(5),
    forms.weighted_cross_entropy: weighted(4),
    forms.ignoring_cross_entropy: ignored(4),
    forms.tempered_cross_entropy: labelled(3),
    forms.confident_cross_entropy: labelled(4),
    forms.divergence: likely(4),
    forms.focal: labelled(4),
    forms.brier: labelled(4),
    forms.likelihood: labelled(4),
    forms.multiclass_hinge: labelled(4),
    forms.worst_hinge: labelled(4),
    forms.ranking: labelled(4),
    forms.ordinal: graded(3),
    forms.label_distance: rated,
    forms.energy: alone(4),
    forms.squares: numbered(3),
    forms.mean_squares: numbered(3),
    forms.absolute: numbered(3),
    forms.huber: numbered(3),
    forms.huber_by_row: bounded(3),
    forms.log_cosh: numbered(3),
    forms.quantile: numbered(3),
    forms.cauchy: numbered(3),
    forms.charbonnier: numbered(3),
    forms.quartic: numbered(3),
    forms.angle: numbered(2),
    forms.masked_squares: partly(3),
    forms.two_heads: mixed(3),
    forms.poisson: counted(3),
    forms.gamma: positive(3),
    forms.gaussian: halved(2),
    forms.logistic: binary(3),
    forms.signed_logistic: signed(1),
    forms.hinge: signed(3),
    forms.squared_hinge: signed(3),
    forms.exponential: signed(2),
    forms.dice: binary(5),
    forms.cosine: numbered(4),
    forms.triplet: alone(6),
}
"""The arguments that each form is run on."""


def drawn(rows: Rows, n: int = 7, dtype: Any = np.float64) -> tuple[Any, Any]:
    out, targets = DRAWS[rows](np.random.default_rng(7), n)
    return out.astype(dtype), targets


def case(rows: Rows, spoil: Spoil | None = None, *, n: int = 7, dtype: Any = np.float64) -> LossCase:
    """The form on its data, with its gradient spoiled or not."""
    return LossCase(made(rows, spoil), *drawn(rows, n, dtype))
