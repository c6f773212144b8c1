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
    gap = m - z_c             total = others + exp(-gap)

    log(total) = log1p(others + expm1(-gap))        loss = gap + log(total)
    p_j - t_j = e_j / total  for j != c             p_c - 1 = -others / total

When c leads by a margin, gap is 0 and the loss is log1p(others): no digit is lost however small it is, and the gradient
at the label is minus the sum of the *other* probabilities, where `p - 1` would be rounding error from a margin of 36
on. No epsilon is added anywhere, so loss and gradient agree.

**To remember:** the gradient of a mistake is the mistake, prediction minus truth.

Special values, as in torch and without a warning: a logit of -inf has probability 0 (loss inf if it is the label's), a
row with +inf or with nothing but -inf gives nan, and a nan stays in its row.
"""

from attrs import frozen

from chainrule.array import Array, freeze, keep
from chainrule.expect import describe, record_of
from chainrule.loss import Loss
from chainrule.namespace import namespace
from chainrule.record import record
from chainrule.targets import Targets, labels_and_probabilities


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


def forward(logits: Array, targets: Targets) -> tuple[Array, SoftmaxCrossEntropyCache]:
    """The mean over the rows of `-log p[label]`: logits (n, k) to a 0-d loss."""
    losses, cache = _each_row(logits, targets)
    return freeze(namespace(losses).mean(losses)), cache


def backward(cache: SoftmaxCrossEntropyCache, dloss: Array | float) -> Array:
    """`dz = (p - t) * dloss / n`: (n, k)."""
    name = "softmax_cross_entropy backward"
    slopes, total = record_of(cache, SoftmaxCrossEntropyCache, f"{name}: cache").slopes, cache.total
    xp = namespace(total)
    if isinstance(dloss, float | int):
        share: Array | float = float(dloss) / slopes.shape[0]  # float(): a np.float64 would promote float32
    elif getattr(dloss, "shape", None) == ():
        scalar = keep(dloss)  # a NumPy scalar becomes an array
        namespace(scalar, name=f"{name}: dloss")
        share = xp.astype(scalar, total) / slopes.shape[0]
    else:
        raise TypeError(f"{name}: dloss must be a number or a 0-d array, got {describe(dloss)}")
    with xp.quiet():
        return slopes * (share / total)[:, None]


def rows(logits: Array, targets: Targets) -> Array:
    """`-log p[label]` of each row: logits (n, k) to losses (n,)."""
    return _each_row(logits, targets)[0]


softmax_cross_entropy: Loss[Targets, SoftmaxCrossEntropyCache] = Loss(forward, backward, rows)
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


def _each_row(logits: Array, targets: Targets) -> tuple[Array, SoftmaxCrossEntropyCache]:
    xp = namespace(logits, name="softmax_cross_entropy: logits")
    labels, wanted = labels_and_probabilities(xp, logits, targets, "softmax_cross_entropy")
    with xp.quiet():
        top = xp.row_max(logits)
        gap = top - xp.gather(logits, labels)
        e = xp.exp(logits - top[:, None])
        e = xp.scatter(e, labels, 0.0)
        others = xp.row_sum(e)
        total = others + xp.exp(-gap)
        log_total = xp.log1p(others + xp.expm1(-gap))
        if wanted is None:
            losses = gap + log_total
            slopes = xp.scatter(e, labels, 0.0 - others)  # 0 - others and not -others, which gives -0.0
        else:
            whole, mine = xp.row_sum(wanted), xp.gather(wanted, labels)
            gaps = xp.where(wanted > 0, top[:, None] - logits, wanted)  # 0 * inf where no probability is wanted
            losses = xp.row_sum(wanted * gaps) + whole * log_total
            slopes = whole[:, None] * e - wanted * total[:, None]
            slopes = xp.scatter(slopes, labels, (whole - mine) * xp.exp(-gap) - mine * others)
    return losses, SoftmaxCrossEntropyCache(freeze(slopes), freeze(total))
