"""Softmax with cross-entropy: how surprised a classifier is by the right answers.

    p = exp(z) / sum(exp(z))        loss = -sum(t * log(p))

for each row; the loss of a batch is the mean of its rows. `z` (..., k) are the logits, `t` (..., k) the probabilities
that the classes should have. A label y stands for the row that is 1 at y and 0 elsewhere, and then loss = -log(p_y).

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

A margin is itself rounded, by up to 3e-14 at 400, and its exponential is wrong by as large a share: from a margin of 64
on, e_j is multiplied by 1 + r, where r is what the difference z_j - m has lost, which a few subtractions find exactly.

**To remember:** the gradient of a mistake is the mistake, prediction minus truth.

Special values, as in torch and without a warning: a logit of -inf has probability 0 (loss inf if it is the label's), a
row with +inf or with nothing but -inf gives nan, and a nan stays in its row.

**In other libraries.** That of Keras takes logits if `from_logits=True`. For labels, Keras has
`SparseCategoricalCrossentropy` and optax `softmax_cross_entropy_with_integer_labels`.

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.CrossEntropyLoss` | `keras.losses.CategoricalCrossentropy` | `optax.softmax_cross_entropy` |

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

from chainrule import rules
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.targets import Targets, labels_and_probabilities
from chainrule.arrays.types import Array, Labels
from chainrule.loss import Loss


def rows(xp: Namespace, logits: Array, targets: Targets) -> tuple[Array, Array, Array]:
    """`-log p[label]`, `(p - t) * total` and `total` of each row: (..., k) to (...,), (..., k) and (...,)."""
    labels, wanted = labels_and_probabilities(xp, logits, targets, "softmax_cross_entropy")
    if logits.ndim == 2:
        return _rows(xp, logits, labels, wanted)
    flat = None if wanted is None else xp.rows(wanted)
    losses, slopes, total = _rows(xp, xp.rows(logits), xp.reshape(labels, (-1,)), flat)
    rows = logits.shape[:-1]
    return xp.reshape(losses, rows), xp.reshape(slopes, logits.shape), xp.reshape(total, rows)


FAR = 1e-28
"""An exponential at a margin of 64, up to which a rounded margin costs less than 1e-14 of it."""


softmax_cross_entropy: Loss[Targets, rules.Slopes] = rules.loss(
    "softmax_cross_entropy", rows, out="logits", operations=(4, 1)
)
"""Mean cross-entropy of the softmax of logits; targets are integer labels (...,) or rows of probabilities (..., k)."""


def _rows(xp: Namespace, logits: Array, labels: Labels, wanted: Array | None) -> tuple[Array, Array, Array]:
    shifted = xp.shifted(logits)
    at = xp.places(shifted, labels)
    gap = xp.gather(shifted, at)
    e = xp.exp(shifted)
    if xp.may_fall_below(e, FAR):
        e = _unrounded(xp, e, logits, shifted)
        at = xp.places(e, labels)
    mine = xp.gather(e, at)
    e = xp.scatter(e, at, 0.0)
    others = xp.sum_last(e)
    total = others + mine
    log_total = xp.log1p(others + xp.expm1(gap))
    if wanted is None:
        slopes = xp.scatter(e, at, xp.scalar(0.0, others) - others)  # and not -others, which gives -0.0
        return log_total - gap, slopes, total
    whole, likeliest = xp.sum_last(wanted), xp.max_last(wanted)
    gaps = xp.where(wanted > 0, shifted, wanted)  # 0 * inf where no probability is wanted
    slopes = whole[:, None] * e - wanted * total[:, None]
    slopes = xp.scatter(slopes, xp.places(slopes, labels), (whole - likeliest) * mine - likeliest * others)
    return whole * log_total - xp.sum_last(wanted * gaps), slopes, total


def _unrounded(xp: Namespace, e: Array, logits: Array, shifted: Array) -> Array:
    """`exp(z - m)` from the exponential of that difference as it was rounded (Knuth's sum of two, which is exact)."""
    largest = xp.max_last(logits)[:, None]
    rounded = logits - shifted
    rest = (logits - (shifted + rounded)) + (rounded - largest)
    return xp.where(e > 0, e * (1 + rest), e)
