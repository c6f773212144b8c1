"""`trace`: what happens in one pass through a network, layer by layer."""
# ruff: noqa: PLC0415  # what traces and draws is imported where it is used: asking for a name must not wait for it

from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from chainrule.arrays.arguments import conversion, describe
from chainrule.arrays.types import Array, is_array, is_numpy
from chainrule.encoder import Trainable, checked_network
from chainrule.loss import Loss

if TYPE_CHECKING:
    from chainrule.inspecting.tracing.records import Trace

P = TypeVar("P")
T = TypeVar("T")
X = TypeVar("X")


@overload
def trace(network: Trainable[P, X], params: P, x: X) -> "Trace": ...
@overload
def trace(network: Trainable[P, X], params: P, x: X, loss: Loss[T, Any], targets: T) -> "Trace": ...
@overload
def trace(network: Trainable[P, X], params: P, x: X, *, dout: Array) -> "Trace": ...
def trace(
    network: Any,
    params: object,
    x: Any,
    loss: Loss[Any, Any] | None = None,
    targets: object = None,
    *,
    dout: Array | None = None,
) -> "Trace":
    """Run a network once and record what happens, layer by layer.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`, or an encoder; chains, forks and what is around a layer are gone through
        layer by layer.
    params
        Its parameters.
    x
        A batch of inputs: one array, of tokens for an encoder; records of several are not traced.
    loss, targets
        If given, the pass goes on through the loss and back through all layers, to the derivative with respect to `x`.
    dout
        Without a loss: the derivative with respect to the output, from which the pass comes back.

    Returns
    -------
    Trace
        For each layer, the shapes, dtypes and statistics of all arrays, the bytes that its cache holds and the
        floating-point operations; `trace.first_nonfinite` says where the first nan or infinite number came from.
        Arrays are not held, apart from copies of those of at most 36 numbers.

    Raises
    ------
    ValueError, TypeError
        What layers and loss raise, with the layer's position, and if x or dout is no array of real numbers, targets
        come without a loss or a loss without targets. NumPy must be able to read the arrays: those of other libraries
        on the CPU, and none that a compiler is tracing.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, relu, sequential, softmax_cross_entropy, trace
    >>> rng = np.random.default_rng(0)
    >>> network = sequential(affine, relu, affine)
    >>> params = (Affine.init(rng, 784, 50), (), Affine.init(rng, 50, 10))
    >>> x, labels = rng.random((100, 784), np.float32), np.arange(100) % 10
    >>> passed = trace(network, params, x, softmax_cross_entropy, labels)
    >>> passed
    Trace(f32[100, 784] -> affine, relu, affine, softmax_cross_entropy -> f32[])
    >>> passed.layers[0].out.summary, passed.layers[0].forward_operations
    ('f32[100, 50]', 7840000)
    >>> passed.first_nonfinite is None
    True
    """
    from chainrule.inspecting.tracing.run import run

    checked_network("trace", network)
    if loss is None and targets is not None:
        raise TypeError(f"trace: targets ({describe(targets)}) need a loss that compares with them")
    if loss is not None and not isinstance(loss, Loss):
        raise TypeError(f"trace: loss must be a Loss, got {describe(loss)}")
    if loss is not None and targets is None:
        raise TypeError("trace: a loss needs targets to compare with")
    if loss is not None and dout is not None:
        raise TypeError(f"trace: dout ({describe(dout)}) comes from the loss: give one of them")
    _check_numbers("x", x)
    if dout is not None:
        _check_numbers("dout", dout)
    return run(network, params, x, loss, targets, dout)


def _check_numbers(name: str, value: object) -> None:
    is_other = is_numpy(value) and (value.dtype.kind in "OSUcMm" or value.dtype.type is np.void)  # bfloat16 has kind V
    if is_other or not is_array(value):
        raise TypeError(f"trace: {name} must be an array of real numbers, got {describe(value)}{conversion(value)}")
