"""Batch normalisation: each feature with mean 0 and variance 1 over the batch, then a scale and a bias for it.

    h = r (x - mean(x))        r = 1 / sqrt(v + eps)        v = mean((x - mean(x))^2)
    out = scale * h + bias        (* entry by entry)

where the means are those of a column: of one feature, over all n examples and positions (Ioffe and Szegedy, Batch
normalization, 2015).

**Derivation.** The mean and the variance are functions of x as well, and three ways lead from x to h. Let dmean and dv
be their differentials; in one column

    dmean = mean(dx)        dv = 2 mean((x - mean(x)) * (dx - dmean)) = 2 mean((x - mean(x)) * dx)
    dh = r dx - r dmean - r^3 (x - mean(x)) dv / 2 = r (dx - mean(dx) - h mean(h * dx))

Let g = scale * dout be the derivative with respect to h. For two columns, <g, mean(dx)> = <mean(g), dx>, where a mean
stands for a column of equal entries. So each of the three goes to the other side by itself:

    dL = <g, dh> = r <g, dx> - r <mean(g), dx> - r <h mean(h * g), dx>

and read off, with the sums over each column:

    dx = r (g - mean(g) - h mean(h * g))        g = scale * dout
    dscale = sum(h * dout)        dbias = sum(dout)

The means of g and of h * g need no sums of their own: they are dbias and dscale times the scale, divided by n.

**To remember:** a shift or a stretch of the whole batch changes no output: that part is taken out of the gradient.

In use there is no batch to look at. `batch_norm(statistics)` takes the mean and the variance of many batches, which
`chainrule.statistics` computes; they are constants then, and dx = r g.

**Numerics.** As in `layer_norm`: the variance is that of centred values, columns whose squares would overflow are
scaled by a power of two first, and a column of one value gives the bias. float16 is computed in float32.

Special values: a column with an infinity or a nan gives nan, in that column alone; in use it stays in its
place.

**From and to torch.** For `torch.nn.BatchNorm1d(d)`, `BatchNorm2d(d)` and `BatchNorm3d(d)`

| here | there |
|---|---|
| `scale` | `weight` |
| `bias` | `bias` |
| `Statistics.mean` | `running_mean` |
| `Statistics.var` | `running_var` |

Of images (n, c, ...), the channels of its `BatchNorm2d` are the second axis.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| `torch.nn.BatchNorm1d` | `keras.layers.BatchNormalization` | `flax.nnx.BatchNorm` |

Examples
--------
>>> import numpy as np
>>> from chainrule import BatchNorm, Statistics, batch_norm
>>> x, params = np.array([[1.0, 3.0], [5.0, 3.0]]), BatchNorm.init(2, dtype=np.float64)
>>> batch_norm(eps=1e-12).forward(params, x)[0].round(6).tolist()
[[-1.0, 0.0], [1.0, 0.0]]
>>> in_use = batch_norm(Statistics(mean=np.array([1.0, 1.0]), var=np.array([4.0, 1.0])), eps=1e-12)
>>> in_use.forward(params, x)[0].round(6).tolist()
[[0.0, 2.0], [2.0, 2.0]]
"""

import math
from functools import partial
from typing import ClassVar, overload

import numpy as np
from attrs import frozen

from chainrule import rules
from chainrule.arrays.arguments import describe, empty_batch, number
from chainrule.arrays.cells import every
from chainrule.arrays.libraries import meets
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, is_numpy
from chainrule.layer import Layer
from chainrule.layers.normalisation.onnx import scaled
from chainrule.layers.normalisation.scale_and_bias import ScaleAndBias
from chainrule.rules import OnnxGraph, fitting, well_formed
from chainrule.rules.in_torch import InTorch, Weight
from chainrule.rules.inference import BatchMoments, Inference


@frozen(eq=False)
@record
class BatchNorm(ScaleAndBias):
    """The parameters of `batch_norm`, and their gradients: `scale` and `bias`, of which each feature has one.

    Examples
    --------
    >>> from chainrule import BatchNorm
    >>> BatchNorm.init(64)
    BatchNorm(scale=f32[64], bias=f32[64])
    """

    in_torch: ClassVar[InTorch] = {
        "weight": Weight("scale"),
        "bias": Weight("bias"),
        "running_mean": None,
        "running_var": None,
        "num_batches_tracked": None,
    }


@frozen(eq=False)
@record
class Statistics:
    """The mean and the variance that a batch norm uses in place of those of the batch.

    Parameters
    ----------
    mean, var
        (d,): the mean and the variance of each feature, the latter not negative.

    Raises
    ------
    ValueError
        If the shapes differ, there is not one axis of at least one feature, a variance is negative, or a number not
        finite.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Statistics
    >>> Statistics(mean=np.zeros(3), var=np.ones(3))
    Statistics(mean=f64[3], var=f64[3])
    """

    mean: Array
    var: Array
    in_torch: ClassVar[InTorch] = {
        "running_mean": Weight("mean"),
        "running_var": Weight("var"),
        "weight": None,
        "bias": None,
        "num_batches_tracked": None,
    }

    def __attrs_post_init__(self) -> None:
        well_formed("Statistics", least=1, mean=(self.mean, "features"), var=(self.var, "features"))
        if is_numpy(self.mean) and is_numpy(self.var):
            every("Statistics: mean must be finite", self.mean, np.isfinite(self.mean), "feature")
            every(
                "Statistics: var must be finite and >= 0", self.var, np.isfinite(self.var) & (self.var >= 0), "feature"
            )


@frozen(eq=False)
@record
class BatchNormCache:
    """The cache of `batch_norm`: the normalised features, the inverse deviations, and the scale.

    The mean and the variance of the batch are there for `chainrule.statistics`; those of float16 are float32, whose
    range they may need.
    """

    h: Array
    r: Array
    scale: Array
    mean: Array
    var: Array


@frozen(eq=False)
@record
class StandardisedCache:
    """The cache of `batch_norm(statistics)`."""

    h: Array
    r: Array
    scale: Array


_saved = unchecked(BatchNormCache)
_saved_in_use = unchecked(StandardisedCache)
_gradients = unchecked(BatchNorm)


def fits(params: BatchNorm, x: Array) -> None:
    """Check that x has as many features as the scale, and at least one row."""
    fitting("batch_norm", x, "scale", params.scale)
    if math.prod(x.shape[:-1]) == 0:
        raise empty_batch("batch_norm", "x", x.shape)


def forward(xp: Namespace, params: BatchNorm, x: Array, *, eps: float) -> tuple[Array, BatchNormCache]:
    """`h = r (x - mean(x))` and `out = scale * h + bias`, over all axes but the last."""
    rows, unit = xp.tamed(xp.widened(xp.rows(x)), 0)
    h, mean = xp.centred(rows, 0)
    var, r = xp.deviation(h, eps, unit, 0)
    h *= r
    out = h * params.scale
    out += params.bias
    seen = (r * unit, mean / unit, var / unit / unit)
    inverse, mean, var = (xp.read_only(xp.reshape(each, (x.shape[-1],))) for each in seen)
    h, inverse = (xp.read_only(xp.astype(each, x)) for each in (xp.reshape(h, x.shape), inverse))
    return xp.astype(xp.reshape(out, x.shape), x), _saved(h, inverse, params.scale, mean, var)


def backward(xp: Namespace, cache: BatchNormCache, dout: Array, wants_dx: bool) -> tuple[Array | None, BatchNorm]:
    """`dx = r (g - mean(g) - h mean(h * g))` for `g = scale * dout`."""
    d, h, r, scale = map(xp.widened, (dout, cache.h, cache.r, cache.scale))
    product = d * h
    dscale, dbias = xp.sum_rows(product), xp.sum_rows(d)
    grads = _gradients(xp.astype(dscale, dout), xp.astype(dbias, dout))
    if not wants_dx:
        return None, grads
    n = math.prod(dout.shape[:-1])
    dx = xp.times_in(product, h, -dscale / n)
    dx += d
    dx -= dbias / n
    dx *= scale * r
    return xp.astype(dx, dout), grads


def forward_in_use(
    xp: Namespace, params: BatchNorm, x: Array, *, statistics: Statistics, eps: float
) -> tuple[Array, StandardisedCache]:
    """`h = (x - mean) / sqrt(var + eps)` and `out = scale * h + bias`."""
    wide = xp.widened(x)
    r = xp.read_only(1 / xp.sqrt(xp.astype(statistics.var, wide) + eps))
    h = wide - xp.astype(statistics.mean, wide)
    h *= r
    out = h * params.scale
    out += params.bias
    return xp.astype(out, x), _saved_in_use(xp.read_only(xp.astype(h, x)), r, params.scale)


def backward_in_use(
    xp: Namespace, cache: StandardisedCache, dout: Array, wants_dx: bool
) -> tuple[Array | None, BatchNorm]:
    """`dx = r scale * dout`."""
    grads = _gradients(xp.sum_rows(dout * cache.h), xp.sum_rows(dout))
    return (xp.times(dout, xp.astype(cache.scale * cache.r, dout)) if wants_dx else None), grads


def moments(cache: BatchNormCache) -> BatchMoments:
    """The mean and the variance of the batch, from the cache."""
    return BatchMoments(cache.mean, cache.var, math.prod(cache.h.shape[:-1]))


OPERATIONS = (7, 7)
"""For each number: two means, a difference, two products and a sum; backward the products and means of dx."""

OPERATIONS_IN_USE = (4, 4)
"""For each number: two products and two sums, forward and backward."""


@overload
def batch_norm(statistics: None = ..., eps: float = ...) -> Layer[BatchNorm, BatchNormCache]: ...
@overload
def batch_norm(statistics: Statistics, eps: float = ...) -> Layer[BatchNorm, StandardisedCache]: ...
def batch_norm(
    statistics: Statistics | None = None, eps: float = 1e-5
) -> Layer[BatchNorm, BatchNormCache] | Layer[BatchNorm, StandardisedCache]:
    """Make a layer that normalises each feature, of the last axis, over all other axes.

    Parameters
    ----------
    statistics
        The means and variances to use, which are taken in the dtype of x. By default those of the batch: then rows are
        coupled.
    eps
        A finite number > 0, added to the variance.

    Returns
    -------
    Layer
        Its parameters are a `BatchNorm`; (..., d) to (..., d).

    Raises
    ------
    ValueError
        If `eps` is not positive or not finite.
    TypeError
        If it is no number, or the statistics are no `Statistics`.

    Notes
    -----
    A batch of one row has the bias as its output and no gradient. One without rows is a `ValueError`.

    Examples
    --------
    >>> from chainrule import batch_norm
    >>> batch_norm()
    Layer(batch_norm(eps=1e-05))
    """
    eps = number("batch_norm", "eps", eps, above=0)
    if statistics is None:
        return rules.layer(
            "batch_norm",
            BatchNorm,
            partial(forward, eps=eps),
            backward,
            fits,
            quiet=True,
            couples_rows=True,
            event_axes=1,
            operations=OPERATIONS,
            inference=Inference(partial(in_use, eps=eps), moments),
        )
    if not isinstance(statistics, Statistics):
        raise TypeError(f"batch_norm: statistics must be a Statistics or None, got {describe(statistics)}")
    return rules.layer(
        "batch_norm",
        BatchNorm,
        partial(forward_in_use, statistics=statistics, eps=eps),
        backward_in_use,
        partial(fits_in_use, statistics),
        quiet=True,
        event_axes=1,
        operations=OPERATIONS_IN_USE,
        onnx=partial(to_onnx, statistics, eps),
    )


def to_onnx(statistics: Statistics, eps: float, graph: OnnxGraph, params: BatchNorm, x: str) -> str:
    """`h = (x - mean) / sqrt(var + eps)` and `out = scale * h + bias`."""
    deviation = graph.node("Sqrt", graph.node("Add", statistics.var, eps))
    h = graph.node("Div", graph.node("Sub", x, statistics.mean), deviation)
    return scaled(graph, h, params.scale, params.bias)


def fits_in_use(statistics: Statistics, params: BatchNorm, x: Array) -> None:
    """Check that x has as many features as the scale and the statistics."""
    fitting("batch_norm", x, "scale", params.scale)
    if statistics.mean.shape != params.scale.shape:
        features, given = params.scale.shape[0], statistics.mean.shape[0]
        raise ValueError(f"batch_norm: scale has {features} features but the statistics have {given}")
    meets("batch_norm", "the statistics are", statistics.mean, x)


def in_use(statistics: Statistics, eps: float) -> Layer[BatchNorm, StandardisedCache]:
    """The form for use."""
    return batch_norm(statistics, eps)
