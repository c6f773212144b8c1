"""Losses whose rows are coupled, as they are written elsewhere, right and with mistakes that were reported of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Loss, check_loss, own

RNG = np.random.default_rng

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def at_risk(times: Array) -> Any:
    """For each row, the rows that are still there at its time."""
    return np.less_equal(times[:, None], times)


def at_risk_but_for_ties(times: Array) -> Any:
    return np.less(times[:, None], times) | np.eye(len(times), dtype=bool)


def cox_rows(out: Array, targets: Array) -> Array:
    """The partial likelihood of a hazard exp(out) (Cox, 1972): targets are a time, and whether it is one of death."""
    score, (times, died) = out[:, 0], targets.T
    among = np.where(at_risk(times), score, -1e4)
    most = among.max(axis=1)
    sums = (np.exp(among - most[:, None]) * at_risk(times)).sum(axis=1)
    losses: Array = ((most + np.log(sums) - score) * died).astype(out.dtype)
    return losses


def cox_forward(out: Array, targets: Array) -> tuple[Array, tuple[Array, Array]]:
    return np.asarray(cox_rows(out, targets).mean()), (own(out), own(targets))


def cox_backward(among: Callable[[Array], Any], cache: tuple[Array, Array], dloss: Any) -> Array:
    out, (times, died) = cache[0], cache[1].T
    scores = np.where(among(times), out[:, 0], -1e4)
    e = np.exp(scores - scores.max(axis=1, keepdims=True)) * among(times)
    slopes = (e / e.sum(axis=1, keepdims=True) * died[:, None]).sum(axis=0) - died
    dout: Array = np.zeros_like(out)
    dout[:, 0] = slopes * (dloss / len(out))
    return dout


def cox(among: Callable[[Array], Any]) -> Loss[Array, Any]:
    return Loss(cox_forward, partial(cox_backward, among), cox_rows, couples_rows=True)


TIMES = np.array([3.0, 1, 4, 1.5, 9, 2.6, 5])
DIED = np.array([1.0, 0, 1, 1, 0, 1, 1])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", [7, 33])
def test_ties_among_targets_are_no_rounding(rows: int, seed: int) -> None:
    rng, which = RNG(seed), np.arange(rows) % 7  # tied beyond seven rows, and else where the check adds some
    out, targets = rng.standard_normal((rows, 1)), np.stack([TIMES, DIED], axis=1)[which]
    report = check_loss(cox(at_risk_but_for_ties), out, targets, rng=rng)
    assert {verdict.field for verdict in report.failures} >= {"dout"}, str(report)
    right = check_loss(cox(at_risk), out, targets, rng=rng)
    assert right.ok, str(right)


def softmax(scores: Array) -> Array:
    e: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


def log_sum_exp(scores: Array) -> Array:
    most = scores.max(axis=1)
    logs: Array = most + np.log(np.exp(scores - most[:, None]).sum(axis=1))
    return logs


def halves(out: Array) -> tuple[Array, Array]:
    if out.shape[1] % 2:
        raise ValueError("an even number of columns is needed, for an image and its text")
    return out[:, : out.shape[1] // 2], out[:, out.shape[1] // 2 :]


def contrastive_rows(out: Array, targets: Array) -> Array:
    """The contrast of images with texts, both ways (Radford et al., 2021), without their norms."""
    images, texts = halves(out)
    scores = images @ texts.T * 2
    return 0.5 * (log_sum_exp(scores) + log_sum_exp(scores.T)) - np.diag(scores)


def contrastive_forward(out: Array, targets: Array) -> tuple[Array, Array]:
    return np.asarray(contrastive_rows(out, targets).mean()), own(out)


def contrastive_backward(out: Array, dloss: Any) -> Array:
    images, texts = halves(out)
    scores = images @ texts.T * 2
    slopes = 0.5 * (softmax(scores) + softmax(scores.T).T) - np.eye(len(out), dtype=out.dtype)
    return np.concatenate([slopes @ texts, slopes.T @ images], axis=1) * np.asarray(2 * dloss / len(out), out.dtype)


@pytest.mark.parametrize("seed", range(3))
def test_what_cancels_of_large_numbers_is_no_fault(seed: int) -> None:
    rng = RNG(seed)
    loss: Loss[Array, Any] = Loss(contrastive_forward, contrastive_backward, contrastive_rows, couples_rows=True)
    report = check_loss(loss, rng.standard_normal((6, 4)), np.zeros(6), rng=rng)
    assert report.ok, str(report)


EPS = 1e-6


def centred(values: Array) -> tuple[Array, Array]:
    """Columns less their means, and their lengths, of which none is 0."""
    less: Array = values - values.mean(axis=0)
    return less, np.sqrt((less * less).sum(axis=0) + EPS).astype(values.dtype)


def correlation_rows(out: Array, targets: Array) -> Array:
    """One less the correlation of each column with its targets, the sum of them for all rows alike."""
    (a, length), (b, other) = centred(out), centred(targets.astype(out.dtype))
    return np.full(len(out), (1 - (a * b).sum(axis=0) / length / other).sum(), out.dtype)


def correlation_forward(out: Array, targets: Array) -> tuple[Array, tuple[Array, Array]]:
    return np.asarray(correlation_rows(out, targets).mean()), (own(out), own(targets))


def correlation_backward(turned: float, cache: tuple[Array, Array], dloss: Any) -> Array:
    out, targets = cache
    (a, length), (b, other) = centred(out), centred(targets.astype(out.dtype))
    slopes = -(b - turned * a * (a * b).sum(axis=0) / length**2) / length / other
    return np.asarray(slopes * dloss, out.dtype)


def correlation(turned: float) -> Loss[Array, Any]:
    return Loss(correlation_forward, partial(correlation_backward, turned), correlation_rows, couples_rows=True)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_are_equal_less_their_mean_are_rounding(seed: int) -> None:
    out, targets = RNG(seed).standard_normal((2, 6, 3))
    assert not check_loss(correlation(1.0), out, targets, rng=RNG(seed)).failures
    assert check_loss(correlation(0.99), out, targets, rng=RNG(seed)).failures


def positive(rates: Array) -> Array:
    if not (rates > 0).all():
        raise ValueError(f"rates must be positive, the least is {rates.min()}")
    return rates


def poisson_rows(out: Array, targets: Array) -> Array:
    losses: Array = (positive(out) - targets.astype(out.dtype) * np.log(out)).sum(axis=-1)
    return losses


def poisson_forward(out: Array, targets: Array) -> tuple[Array, tuple[Array, Array]]:
    return np.asarray(poisson_rows(out, targets).mean()), (own(out), own(targets))


def poisson_backward(cache: tuple[Array, Array], dloss: Any) -> Array:
    out, targets = cache
    dout: Array = ((1 - targets.astype(out.dtype) / out) * (dloss / len(out))).astype(out.dtype)
    return dout


@pytest.mark.parametrize("seed", range(3))
def test_targets_may_be_what_no_out_is(seed: int) -> None:
    rng = RNG(seed)
    out, counts = rng.gamma(2, 1, (5, 3)) + 0.1, rng.poisson(2, (5, 3)).astype(float)
    counts[0] = 0
    assert not check_loss(Loss(poisson_forward, poisson_backward, poisson_rows), out, counts, rng=rng).failures
