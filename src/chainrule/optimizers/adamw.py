"""AdamW: Adam, beside which weights decay on their own.

    params <- (1 - rate * weight_decay) params
    m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g^2
    params <- params - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

for a gradient g at step t, from 1 on; all products and roots entry by entry.

**Derivation.** A penalty on large weights, (weight_decay / 2) |params|^2, has the gradient weight_decay params. In the
gradient of `sgd` it is a decay: a step of it multiplies params by 1 - rate * weight_decay. In that of `adam` it is
none, because both means see it: divided by the root of v, weights whose gradients are large decay less than others. So
the decay is taken out of the gradient, and each weight shrinks by the same share (Loshchilov and Hutter, Decoupled
weight decay regularization, 2019). The form is that of `torch.optim.AdamW`.

By default arrays of two axes and more decay. A bias shifts its output and makes no function steeper, and a norm undoes
what the weights before it lose: its scale is what counts. To let all decay, as torch does, say
`decays=lambda path, array: True`.

**To remember:** the penalty of the weights does not go through the means.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.optim.AdamW` | `keras.optimizers.AdamW` | `optax.adamw` |
"""

from chainrule import rules
from chainrule.optimizers.adam import arithmetic
from chainrule.rules.optimizers import ArrayOptimizer, Decays, Schedule


def adamw(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    decays: Decays | None = None,
) -> ArrayOptimizer:
    """Make Adam with decoupled decay of weights.

    Parameters
    ----------
    learning_rate
        A finite number >= 0, or a schedule: a function from the steps so far to the rate.
    b1, b2
        In [0, 1): how much of the running means is left after a step.
    eps
        A finite number >= 0, added to the root of the mean square.
    weight_decay
        A finite number >= 0: in a step of rate r what decays loses the share r * weight_decay.
    decays
        From the path of an array, such as `"[0].W"`, and the array to whether it decays. By default arrays of two axes
        and more do.

    Returns
    -------
    ArrayOptimizer
        The optimizer.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is none, or `decays` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, adamw, tree
    >>> optimizer = adamw(0.1, weight_decay=0.5)
    >>> params = Affine(W=np.ones((1, 2)), b=np.ones(2))
    >>> none = tree.map(np.zeros_like, params)
    >>> params, state = optimizer.step(optimizer.init(params), params, none)
    >>> params.W, params.b
    (array([[0.95, 0.95]]), array([1., 1.]))
    """
    update, prepare = arithmetic("adamw", b1, b2, eps)
    return rules.optimizer(
        "adamw", update, learning_rate, moments=2, prepare=prepare, weight_decay=weight_decay, decays=decays
    )
