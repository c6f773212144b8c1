"""The two-layer network: affine, ReLU, affine, and softmax with cross-entropy as its loss.

    logits = max(x W1 + b1, 0) W2 + b2

The class of the textbooks holds its state in attributes and dictionaries. Here all of it is an argument or a result.
The network itself is one line, and another network is another line.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from chainrule.arrays.targets import Targets
from chainrule.arrays.types import Array, Generator, Unit
from chainrule.checking.numerical_gradient import Method
from chainrule.checking.numerical_gradient import numerical_gradient as numerical_gradient_of
from chainrule.combinators.sequential import sequential
from chainrule.initializers.fresh import Initializer
from chainrule.layer import Layer
from chainrule.layers.activations.relu import relu
from chainrule.layers.affine import Affine, AffineCache, affine
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
from chainrule.rules.elementwise_layers import Saved
from chainrule.training import metrics
from chainrule.training.gradient import value_and_grad
from chainrule.training.objective import Objective
from chainrule.training.prediction import prediction

Params: TypeAlias = tuple[Affine, Unit, Affine]
"""The parameters of the network, and its gradients: an entry for each layer.

Examples
--------
>>> import numpy as np
>>> from chainrule import two_layer
>>> params: two_layer.Params = two_layer.init(np.random.default_rng(0), 784, 50, 10)
>>> params[2]
Affine(W=f32[50, 10], b=f32[10])
"""

Caches: TypeAlias = tuple[AffineCache, Saved, AffineCache]
"""The caches of the network: what `forward` hands to `backward`.

Examples
--------
>>> import numpy as np
>>> from chainrule import two_layer
>>> params = two_layer.init(np.random.default_rng(0), 784, 50, 10)
>>> logits, caches = two_layer.network.forward(params, np.zeros((2, 784), np.float32))
>>> [type(cache).__name__ for cache in caches]
['AffineCache', 'Saved', 'AffineCache']
"""

network: Layer[Params, Caches] = sequential(affine, relu, affine)
"""The network: `network.forward(params, x)` gives the logits and the caches.

Examples
--------
>>> import numpy as np
>>> from chainrule import two_layer
>>> params = two_layer.init(np.random.default_rng(0), 784, 50, 10)
>>> logits, caches = two_layer.network.forward(params, np.zeros((2, 784), np.float32))
>>> logits.shape
(2, 10)
"""


def init(
    rng: Generator,
    n_in: int,
    n_hidden: int,
    n_out: int,
    *,
    std: float | None = None,
    weights: Initializer | None = None,
    dtype: DTypeLike = np.float32,
) -> Params:
    """Draw weights; biases are zero.

    Parameters
    ----------
    rng
        The generator of the random numbers; it is advanced.
    n_in, n_hidden, n_out
        The numbers of inputs, hidden units and classes.
    std
        The standard deviation of all weights, which are normal. By default 0.01.
    weights
        An initializer in its place, such as `chainrule.initializers.he_normal`.
    dtype
        A floating-point dtype.

    Returns
    -------
    Params
        `(Affine(W1, b1), (), Affine(W2, b2))`.

    Raises
    ------
    ValueError, TypeError
        As `Affine.init`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import two_layer
    >>> two_layer.init(np.random.default_rng(0), 784, 50, 10)
    (Affine(W=f32[784, 50], b=f32[50]), (), Affine(W=f32[50, 10], b=f32[10]))
    """
    spread = 0.01 if std is None and weights is None else std
    return (
        Affine.init(rng, n_in, n_hidden, std=spread, weights=weights, dtype=dtype),
        (),
        Affine.init(rng, n_hidden, n_out, std=spread, weights=weights, dtype=dtype),
    )


def predict(params: Params, x: Array) -> Array:
    """Compute the logits.

    Parameters
    ----------
    params
        As from `init`.
    x
        (n, n_in), in the dtype of the parameters.

    Returns
    -------
    Array
        (n, n_out): scores of the classes, not yet probabilities.

    Raises
    ------
    ValueError, TypeError
        If `x` does not fit the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> two_layer.predict(params, np.ones((5, 4), np.float32)).shape
    (5, 2)
    """
    return _predict(params, x)


_predict = prediction(network)


def loss(params: Params, x: Array, t: Targets) -> Array:
    """Compute the mean cross-entropy over the batch.

    Parameters
    ----------
    params
        As from `init`.
    x
        (n, n_in), in the dtype of the parameters.
    t
        Integer labels (n,), or rows of probabilities (n, n_out), one-hot rows among them.

    Returns
    -------
    Array
        0-d, in the dtype of the parameters; in nats.

    Raises
    ------
    ValueError, TypeError
        If `x` does not fit the parameters, or `t` the logits.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> print(f"{two_layer.loss(params, np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1])):.2f}")
    0.69
    """
    return softmax_cross_entropy.forward(predict(params, x), t)[0]


def accuracy(params: Params, x: Array, t: Targets) -> float:
    """Compute the share of examples that are classified rightly.

    Parameters
    ----------
    params, x, t
        As for `loss`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError, TypeError
        As `loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2, std=0.0)
    >>> two_layer.accuracy(params, np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]))
    0.4
    """
    return metrics.accuracy(predict(params, x), t)


def gradient(params: Params, x: Array, t: Targets) -> Params:
    """Compute the gradient of `loss` by backpropagation.

    Parameters
    ----------
    params, x, t
        As for `loss`.

    Returns
    -------
    Params
        The derivative of the loss with respect to each parameter, in the structure, shapes and dtype of the
        parameters.

    Raises
    ------
    ValueError, TypeError
        As `loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> grads = two_layer.gradient(params, np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]))
    >>> grads[0].W.shape, grads[2].b.shape
    ((4, 3), (2,))
    """
    return value_and_grad(network, softmax_cross_entropy)(params, x, t)[1]


def numerical_gradient(params: Params, x: Array, t: Targets, *, method: Method = "central") -> Params:
    """Compute the gradient of `loss` from values of the loss alone, to check `gradient` by.

    Parameters
    ----------
    params, x, t
        As for `loss`.
    method
        `"central"` differences, or the `"complex"` step, which is exact to rounding.

    Returns
    -------
    Params
        As `gradient`. Entries at a kink of the loss are nan with central differences.

    Raises
    ------
    ValueError, TypeError
        As `loss`, and if the method is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import tree, two_layer
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2, dtype=np.float64)
    >>> x, t = np.ones((5, 4)), np.array([0, 1, 1, 0, 1])
    >>> numerical = two_layer.numerical_gradient(params, x, t, method="complex")
    >>> difference = tree.map(np.subtract, numerical, two_layer.gradient(params, x, t))
    >>> max(float(abs(leaf).max()) for leaf in tree.leaves(difference)) < 1e-15
    True
    """
    return numerical_gradient_of(Objective(network, softmax_cross_entropy, x, t), params, method=method)
