"""Standardisation: the columns of a table with mean 0 and standard deviation 1, as those of a training set have them.

    out = (x - mean) / scale        x (..., d)    mean, scale (d,)

where the mean and the scale are those of the columns of some other x, usually of all rows that a network is trained on
(and of no others: what is held out must not be looked at). They are constants.

**Derivation.**

    d(out) = dx / scale
    dL = <dout, dx / scale> = <dout / scale, dx>

so that

    dx = dout / scale

**To remember:** it stands first in a network, so that everybody who uses the network gives it numbers as they come.

**Numerics.** The mean and the deviation are taken in float64, of centred values, and no sum overflows; those of float16
are then rounded to it. The differences of float16 are taken in float32, where they do not overflow. A column of equal
numbers has the scale 1, and becomes 0.

`standardise(x)` computes the mean and the scale of x. They are a `Scaling`, of which `standardise(scaling)` makes the
layer again: save it beside the parameters.

**In other libraries.**

| torch | Keras | JAX |
|---|---|---|
| none | `keras.layers.Normalization` | none |

Examples
--------
>>> import numpy as np
>>> from chainrule import standardise
>>> layer = standardise(np.array([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]]))
>>> layer
Layer(standardise(x=Scaling(mean=f64[2], scale=f64[2])))
>>> layer.forward((), np.array([[3.0, 8.0]]))[0].tolist()
[[0.0, 1.0]]
"""

from functools import partial

import numpy as np
from attrs import frozen

from chainrule import rules
from chainrule.arrays.cells import every
from chainrule.arrays.columns import mean_and_deviation
from chainrule.arrays.libraries import meets
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.records import record, unchecked
from chainrule.arrays.types import Array, Unit, is_numpy
from chainrule.layer import Layer
from chainrule.rules import OnnxGraph, fitting, well_formed


@frozen(eq=False)
@record
class Scaling:
    """The mean and the scale of the columns of a table.

    Parameters
    ----------
    mean, scale
        (d,): what is subtracted from each column, and by which it is then divided.

    Raises
    ------
    ValueError
        If the shapes differ, there is not one axis of at least one column, a scale is not positive, or a number not
        finite.
    TypeError
        If they are no arrays of one floating-point dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Scaling
    >>> Scaling.of(np.array([[0.0, 1.0], [4.0, 3.0]])).scale
    array([2., 1.])
    """

    mean: Array
    scale: Array

    def __attrs_post_init__(self) -> None:
        well_formed("Scaling", least=1, mean=(self.mean, "columns"), scale=(self.scale, "columns"))
        if is_numpy(self.mean) and is_numpy(self.scale):
            every("Scaling: mean must be finite", self.mean, np.isfinite(self.mean), "column")
            every(
                "Scaling: scale must be finite and > 0",
                self.scale,
                np.isfinite(self.scale) & (self.scale > 0),
                "column",
            )

    @classmethod
    def of(cls, x: Array) -> "Scaling":
        """The mean and the standard deviation of the columns of x (n, ..., d), a NumPy array of floats, in its dtype.

        The scale is 1 where all numbers of a column are equal. A `ValueError` if x has no rows, or a number that is not
        finite, whose row and column it says.
        """
        return cls(*mean_and_deviation(x, "standardise: x"))


@frozen(eq=False)
@record
class StandardiseCache:
    """The cache of `standardise`: the scale."""

    scale: Array


_saved = unchecked(StandardiseCache)


def forward(xp: Namespace, params: Unit, rows: Array, *, x: Scaling) -> tuple[Array, StandardiseCache]:
    """`out = (rows - mean) / scale`, where x is the option that the layer was made with."""
    wide = xp.widened(rows)
    out = wide - xp.astype(x.mean, wide)
    out /= xp.astype(x.scale, wide)
    return xp.astype(out, rows), _saved(xp.own(xp.astype(x.scale, rows)))


def backward(xp: Namespace, cache: StandardiseCache, dout: Array, wants_dx: bool) -> tuple[Array | None, Unit]:
    """`dx = dout / scale`."""
    return (dout / cache.scale if wants_dx else None), ()


def fits(scaling: Scaling, params: Unit, x: Array) -> None:
    """Check that x has as many columns as the scaling."""
    fitting("standardise", x, "mean", scaling.mean)
    meets("standardise", "the mean is", scaling.mean, x)


def standardise(x: Array | Scaling) -> Layer[Unit, StandardiseCache]:
    """Make a layer that shifts and scales columns so that those of x have mean 0 and standard deviation 1.

    Parameters
    ----------
    x
        (n, ..., d): the rows to train on, a NumPy array of floats; a memory map is read in pieces. Or a `Scaling`.

    Returns
    -------
    Layer
        Its parameters are `()`; (..., d) to (..., d), of any floating-point dtype.

    Raises
    ------
    ValueError
        If x has no rows or no columns, or a number that is not finite: the message names its row and column.
    TypeError
        If x is no array of floats and no `Scaling`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import affine, relu, sequential, standardise
    >>> x = np.array([[180.0, 2.0], [160.0, 4.0]], np.float32)
    >>> network = sequential(standardise(x), affine, relu, affine)
    >>> standardise(x).forward((), x)[0].tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    scaling = x if isinstance(x, Scaling) else Scaling.of(x)
    return rules.layer(
        "standardise",
        (),
        partial(forward, x=scaling),
        backward,
        partial(fits, scaling),
        quiet=True,
        event_axes=1,
        operations=(2, 1),
        onnx=partial(to_onnx, scaling),
    )


def to_onnx(scaling: Scaling, graph: OnnxGraph, params: Unit, x: str) -> str:
    """`out = (x - mean) / scale`."""
    return graph.node("Div", graph.node("Sub", x, scaling.mean), scaling.scale)
