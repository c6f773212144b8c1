"""Sigmoid with cross-entropy: how surprised independent yes-or-no predictions are by the right answers.

    p = s(x)        s(x) = 1 / (1 + exp(-x))
    loss = mean(-t * log(p) - (1 - t) * log(1 - p))        (* entry by entry)

over all numbers: over those of each row, and then over the rows. `x` (..., k) are the logits of k answers, any of which
may be yes at once, `t` (..., k) the probabilities that they should have, 0 and 1 among them.

**Derivation.** Since 1 - s(x) = s(-x), the loss of a number has two terms of one form, and the slope of each is known:

    l(x) = -t log(s(x)) - (1 - t) log(s(-x))
    d(log(s(x))) = s(-x) dx        d(log(s(-x))) = -s(x) dx
    d(l) = (1 - t) s(x) dx - t s(-x) dx = (s(x) - t) dx

so that in rows of k numbers, for the mean of n rows,

    dx = (1 / k) (s(x) - t) dloss / n

**Numerics.** Let h be the sharp prediction, 1 for x > 0, 0 for x < 0 and 1/2 between. With `tail = exp(-|x|)`, which
lies between 0 and 1, nothing overflows:

    l(x) = (h - t) x + log1p(tail)
    s(x) - t = (h - t) - sign(x) tail / (1 + tail)

No term of the loss is negative, so that no digit is lost however small it is. Where the prediction is right and t is 0
or 1, h - t is 0, and the slope keeps the digits that `s(x) - 1` would lose.

**To remember:** the gradient of a mistake is the mistake, prediction minus truth, as it is for a softmax.

Special values: a logit of +inf or -inf has an infinite loss where the target is wholly on the other side, and gives nan
elsewhere, as 0 times infinity; its slope is that of a certain prediction. A nan stays in its row.

**In other libraries.** That of Keras takes logits if `from_logits=True`.

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.BCEWithLogitsLoss` | `keras.losses.BinaryCrossentropy` | `optax.sigmoid_binary_cross_entropy` |

Examples
--------
>>> import numpy as np
>>> from chainrule import sigmoid_cross_entropy
>>> loss, cache = sigmoid_cross_entropy.forward(np.array([[0.0, 1000.0]]), np.array([[0.0, 1.0]]))
>>> print(f"{2 * loss:.6f}")
0.693147
>>> sigmoid_cross_entropy.backward(cache, 1.0).tolist()
[[0.25, 0.0]]
"""

from functools import partial

from chainrule import rules
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.targets import chances
from chainrule.arrays.types import Array, Labels
from chainrule.loss import Loss


def rows(xp: Namespace, logits: Array, targets: Array | Labels) -> tuple[Array, Array]:
    """The mean of each row's `(h - t) x + log1p(tail)`, and `((h - t) - sign(x) tail / (1 + tail)) / k`."""
    return xp.by_examples(partial(_rows, xp), logits, chances(xp, logits, targets, "sigmoid_cross_entropy"))


def _rows(xp: Namespace, logits: Array, targets: Array) -> tuple[Array, Array]:
    side, tail = xp.sign(logits), xp.decay(logits)
    mistake = 0.5 + 0.5 * side - targets
    losses = xp.mean_product(mistake, logits) + xp.mean_along(xp.log1p(tail), -1)
    mistake -= side * (tail / (1 + tail))
    return losses[..., 0], xp.times(mistake, xp.share(1.0, logits.shape[-1], logits))


sigmoid_cross_entropy: Loss[Array | Labels, rules.Slopes] = rules.loss(
    "sigmoid_cross_entropy", rows, out="logits", operations=(16, 2)
)
"""Mean cross-entropy of the sigmoid of logits; targets (..., k) are probabilities in [0, 1], of the shape of x."""
