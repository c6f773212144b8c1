"""Softmax with cross-entropy: how surprised a classifier is by the right answers.

    p = exp(z) / sum(exp(z))        loss = -sum(t * log(p))

for each row; the loss of a batch is the mean of its rows. `z` (n, k) are the logits, `t` (n, k) the probabilities that
the classes should have. A label y stands for the row that is 1 at y and 0 elsewhere, and then loss = -log(p_y).

**Derivation.** Write the row's loss with log(p_j) = z_j - log(sum(exp(z))), and let s = sum(t), which is 1:

    loss = s log(sum(exp(z))) - sum(t * z)
    d(loss) = s sum(exp(z) * dz) / sum(exp(z)) - sum(t * dz) = sum((s p - t) * dz)

so that for the mean of n rows

    dz = (p - t) * dloss / n

**Numerics.** Softmax does not change if a constant is taken from the row: take its largest logit m, and no exponential
overflows. Then mark one class c of the row, the label (or the likeliest target), and keep it out of the sum:

    e_j = exp(z_j - m)        others = sum of e_j over j != c
    gap = z_c - m             total = others + exp(gap)

    log(total) = log1p(others + expm1(gap))         loss = log(total) - gap
    p_j - t_j = e_j / total  for j != c             p_c - 1 = -others / total

When c leads by a margin, gap is 0 and the loss is log1p(others): no digit is lost however small it is, and the gradient
at the label is minus the sum of the *other* probabilities, where `p - 1` would be rounding error from a margin of 36
on. No epsilon is added anywhere, so loss and gradient agree.

**To remember:** the gradient of a mistake is the mistake, prediction minus truth.

Special values, as in torch and without a warning: a logit of -inf has probability 0 (loss inf if it is the label's), a
row with +inf or with nothing but -inf gives nan, and a nan stays in its row.
"""

from attrs import frozen

from chainrule.arrays.arguments import describe, record_of
from chainrule.arrays.libraries import namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import own, read_only
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.targets import Targets, labels_and_probabilities
from chainrule.arrays.types import Array
from chainrule.loss import Loss

NAME = "softmax_cross_entropy"
LOGITS = f"{NAME}: logits"


@frozen(eq=False)
@record
class SoftmaxCrossEntropyCache:
    """What backward needs of the forward pass.

    Parameters
    ----------
    slopes
        (n, k): the derivative of each row's loss, times `total`.
    total
        (n,): the sum of each row's shifted exponentials.
    """

    slopes: Array
    total: Array


_cache = unchecked(SoftmaxCrossEntropyCache)


def forward(logits: Array, targets: Targets) -> tuple[Array, SoftmaxCrossEntropyCache]:
    """The mean over the rows of `-log p[label]`: logits (n, k) to a 0-d loss."""
    xp = namespace(logits, name=LOGITS)
    return xp.quietly(_forward, xp, logits, targets)


def backward(cache: SoftmaxCrossEntropyCache, dloss: Array | float) -> Array:
    """`dz = (p - t) * dloss / n`: (n, k)."""
    slopes, total = record_of(cache, SoftmaxCrossEntropyCache, f"{NAME} backward: cache").slopes, cache.total
    xp = namespace(total)
    return xp.quietly(_backward, xp, slopes, total, dloss)


def value_and_dout(logits: Array, targets: Targets, dloss: Array | float) -> tuple[Array, Array]:
    """`forward` and `backward` at once."""
    xp = namespace(logits, name=LOGITS)
    return xp.quietly(_forward_backward, xp, logits, targets, dloss)


def rows(logits: Array, targets: Targets) -> Array:
    """`-log p[label]` of each row: logits (n, k) to losses (n,)."""
    xp = namespace(logits, name=LOGITS)
    return xp.quietly(_rows, xp, logits, targets)[0]


softmax_cross_entropy: Loss[Targets, SoftmaxCrossEntropyCache] = Loss(forward, backward, rows, value_and_dout)
"""Mean cross-entropy of the softmax of logits; targets are integer labels (n,) or rows of probabilities (n, k).

Examples
--------
>>> import numpy as np
>>> from chainrule import softmax_cross_entropy
>>> loss, cache = softmax_cross_entropy.forward(np.zeros((2, 4)), np.array([0, 3]))
>>> print(f"{loss:.6f}")
1.386294
>>> softmax_cross_entropy.backward(cache, 1.0)
array([[-0.375,  0.125,  0.125,  0.125],
       [ 0.125,  0.125,  0.125, -0.375]])
"""


def _forward(xp: Namespace, logits: Array, targets: Targets) -> tuple[Array, SoftmaxCrossEntropyCache]:
    losses, slopes, total = _rows(xp, logits, targets)
    return read_only(xp.mean(losses)), _cache(read_only(slopes), read_only(total))


def _forward_backward(xp: Namespace, logits: Array, targets: Targets, dloss: Array | float) -> tuple[Array, Array]:
    losses, slopes, total = _rows(xp, logits, targets)
    return read_only(xp.mean(losses)), _backward(xp, slopes, total, dloss)


def _rows(xp: Namespace, logits: Array, targets: Targets) -> tuple[Array, Array, Array]:
    """Of each row: the loss, its derivative by the logits times `total`, and `total`."""
    labels, wanted = labels_and_probabilities(xp, logits, targets, NAME)
    shifted = xp.shifted(logits)
    at = xp.places(shifted, labels)
    gap = xp.gather(shifted, at)
    e = xp.exp(shifted)
    mine = xp.gather(e, at)
    e = xp.scatter(e, at, xp.scalar(0.0, e))
    others = xp.row_sum(e)
    total = others + mine
    log_total = xp.log1p(others + xp.expm1(gap))
    if wanted is None:
        slopes = xp.scatter(e, at, xp.scalar(0.0, others) - others)  # and not -others, which gives -0.0
        return log_total - gap, slopes, total
    whole, likeliest = xp.row_sum(wanted), xp.row_max(wanted)
    gaps = xp.where(wanted > 0, shifted, wanted)  # 0 * inf where no probability is wanted
    slopes = whole[:, None] * e - wanted * total[:, None]
    slopes = xp.scatter(slopes, xp.places(slopes, labels), (whole - likeliest) * mine - likeliest * others)
    return whole * log_total - xp.row_sum(wanted * gaps), slopes, total


def _backward(xp: Namespace, slopes: Array, total: Array, dloss: Array | float) -> Array:
    """The derivative of the mean, times `dloss`, from that of the rows, times `total`."""
    n = slopes.shape[0]
    if isinstance(dloss, (float, int)):
        share: Array | float = xp.scalar(float(dloss) / n, total)
    elif getattr(dloss, "shape", None) == ():
        scalar = own(dloss)  # a NumPy scalar becomes an array
        namespace(scalar, name=f"{NAME} backward: dloss")
        share = xp.astype(scalar, total) / n
    else:
        raise TypeError(f"{NAME} backward: dloss must be a number or a 0-d array, got {describe(dloss)}")
    return slopes * (share / total)[:, None]
