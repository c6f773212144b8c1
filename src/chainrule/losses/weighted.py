"""A weighted loss: the mean of another loss's rows, of which some count more than others, and some not at all.

    loss = sum(w_i l_i) / sum(w_i)

for rows with the losses l_i and the weights w_i (...,), none of which is negative. Rows that are there only to fill a
batch, because sentences differ in length or labels are missing, have weight 0.

**Derivation.** The weights are constants, so that with the slopes s_i of each row's loss

    d(loss) = sum(w_i dl_i) / sum(w_i)        dl_i = <s_i, d(out_i)>

and read off

    dout_i = s_i w_i dloss / sum(w_i)

With equal weights that is the mean over n rows, whose weights are 1 / n each.

**To remember:** a weight of 0 is a row that is not there.

That is meant to the letter: whatever stands in such a row, infinities and nan too, its gradient is 0 and it does not
count. But its targets must be ones that the loss takes: a label in range, such as 0. Weights of 0 alone are an error;
where values can't be read, the loss is nan.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| none | `keras.Model.fit(sample_weight=...)` | none |

Examples
--------
>>> import numpy as np
>>> from chainrule import Weighted, mean_squared_error, weighted
>>> loss = weighted(mean_squared_error)
>>> out, wanted = np.array([[1.0], [2.0], [np.inf]]), np.array([[0.0], [0.0], [0.0]])
>>> value, cache = loss.forward(out, Weighted(wanted, weights=np.array([3, 1, 0])))
>>> value  # (3 * 1 + 1 * 4) / 4
array(1.75)
>>> loss.backward(cache, 1.0).tolist()
[[1.5], [1.0], [0.0]]
"""

from functools import partial
from typing import Generic, TypeVar

from attrs import frozen

from chainrule import rules
from chainrule.arrays.arguments import describe, is_a, record_of, remedy
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record
from chainrule.arrays.targets import row_weights
from chainrule.arrays.types import Array, Labels, Mask
from chainrule.loss import Loss
from chainrule.rules.rule import LossRule

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@frozen(eq=False)
@record
class Weighted(Generic[T_co]):
    """The targets of a weighted loss.

    Parameters
    ----------
    targets
        The targets of the loss that is weighted.
    weights
        (...,): a number >= 0 for each row, or whether the row counts.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Weighted
    >>> Weighted(np.array([3, 1, 0, 0]), weights=np.array([True, True, False, False]))
    Weighted(targets=i64[4], weights=bool[4])
    """

    targets: T_co
    weights: Array | Labels | Mask


def rows(xp: Namespace, out: Array, targets: Weighted[T], *, loss: Loss[T, rules.Slopes]) -> tuple[Array, Array, Array]:
    """Each row's loss times `w_i / mean(w)`, its slopes, and what they are to be divided by: `mean(w) / w_i`."""
    record_of(targets, Weighted, "weighted: targets")
    losses, slopes, *divisor = _rule(loss).rows(xp, out, targets.targets)
    weights = row_weights(xp, out, targets.weights, "weighted")
    weights = weights / xp.max_last(xp.reshape(weights, (-1,)))  # of which a mean is neither too large nor too small
    share = weights / xp.mean(weights)
    absent = share == 0
    losses = xp.where(absent, share, losses)  # 0, whatever stands there
    slopes = xp.where(absent[..., None], share[..., None], slopes)
    one = xp.ones_like(share)
    below = xp.where(absent, one, divisor[0] if divisor else one) / xp.where(absent, one, share)
    return xp.widened(losses) * share, slopes, below


def weighted(loss: Loss[T, rules.Slopes]) -> Loss[Weighted[T], rules.Slopes]:
    """Make the weighted mean of the rows of a loss.

    Parameters
    ----------
    loss
        A loss of the library, or another that `chainrule.rules.loss` made: it knows the slopes of each row.

    Returns
    -------
    Loss
        Its targets are `Weighted(targets, weights)`. Its `rows` are those of `loss`, each times its weight and over the
        mean weight, so that their mean is the loss: they depend on the weights of all rows (`couples_rows`).

    Raises
    ------
    TypeError
        If `loss` is no loss, has no rule, or is weighted already.

    Examples
    --------
    >>> from chainrule import softmax_cross_entropy, weighted
    >>> weighted(softmax_cross_entropy)
    Loss(weighted(loss=softmax_cross_entropy))
    """
    if not is_a(loss, Loss):
        raise TypeError(f"weighted: loss must be a Loss, got {describe(loss)}{remedy(loss)}")
    _rule(loss)
    return rules.loss("weighted", partial(rows, loss=loss), operations=loss.operations, couples_rows=True)


def _rule(loss: Loss[T, rules.Slopes]) -> LossRule[T]:
    if loss.rule is None:
        raise TypeError(f"weighted: {loss!r} has no slopes of its rows: make it with chainrule.rules.loss")
    if loss.couples_rows:
        raise TypeError(f"weighted: the rows of {loss!r} depend on each other, and can't be weighted one by one")
    return loss.rule
