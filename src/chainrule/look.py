"""Looking inside: what happened in a pass through a network, and a picture of it.

    trace  runs forward and back once and records what every layer took and gave
    draw   makes the computational graph of the textbooks of it

This module is the door. The rooms behind it, `chainrule.tracing` and `chainrule.drawing`, are furnished when somebody
comes in, so that importing chainrule to train costs nothing for them.
"""
# ruff: noqa: PLC0415  # what traces and draws is imported where it is used: training must not wait for it

from typing import TYPE_CHECKING, Any, TypeVar, overload

from chainrule.array import Array
from chainrule.expect import describe
from chainrule.layer import Layer
from chainrule.loss import Loss

if TYPE_CHECKING:
    from chainrule.drawing.drawing import Drawing
    from chainrule.tracing.records import Trace

P = TypeVar("P")
T = TypeVar("T")


@overload
def trace(network: Layer[P, Any], params: P, x: Array) -> "Trace": ...
@overload
def trace(network: Layer[P, Any], params: P, x: Array, loss: Loss[T, Any], targets: T) -> "Trace": ...
@overload
def trace(network: Layer[P, Any], params: P, x: Array, *, dout: Array) -> "Trace": ...
def trace(
    network: Layer[Any, Any],
    params: object,
    x: Array,
    loss: Loss[Any, Any] | None = None,
    targets: object = None,
    *,
    dout: Array | None = None,
) -> "Trace":
    """Run a network once and record what happens, layer by layer.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`; nested `sequential`s are gone through layer by layer.
    params
        Its parameters.
    x
        A batch of inputs.
    loss, targets
        If given, the pass goes on through the loss and back through all layers, to the derivative by `x`.
    dout
        Without a loss: the derivative by the output, from which the pass comes back.

    Returns
    -------
    Trace
        For each layer, the shapes, dtypes and statistics of all arrays, the bytes that its cache holds and the
        floating-point operations; `trace.first_nonfinite` says where the first nan or infinite number came from.
        Arrays are not held, apart from copies of those of at most 36 numbers.

    Raises
    ------
    ValueError, TypeError
        What layers and loss raise, with the layer's position, and if targets come without a loss or a loss without
        targets. NumPy must be able to read the arrays: those of other libraries on the CPU, and none that a compiler
        is tracing.

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
    from chainrule.tracing.run import run

    if not isinstance(network, Layer):
        raise TypeError(f"trace: network must be a Layer, got {describe(network)}")
    if loss is None and targets is not None:
        raise TypeError(f"trace: targets ({describe(targets)}) need a loss that compares with them")
    if loss is not None and not isinstance(loss, Loss):
        raise TypeError(f"trace: loss must be a Loss, got {describe(loss)}")
    if loss is not None and targets is None:
        raise TypeError("trace: a loss needs targets to compare with")
    if loss is not None and dout is not None:
        raise TypeError(f"trace: dout ({describe(dout)}) comes from the loss: give one of them")
    return run(network, params, x, loss, targets, dout)


@overload
def draw(subject: "Trace", /, *, width: float = ..., numbers: bool = ..., title: str = ...) -> "Drawing": ...
@overload
def draw(
    subject: Layer[P, Any], params: P = ..., /, *, width: float = ..., numbers: bool = ..., title: str = ...
) -> "Drawing": ...
def draw(
    subject: "Trace | Layer[Any, Any]",
    params: object = None,
    /,
    *,
    width: float = 980,
    numbers: bool = True,
    title: str = "",
) -> "Drawing":
    """Draw the computational graph of a pass, or of a network.

    Nodes stand left to right. Above a wire is the value that it carries forward, beneath it the derivative that comes
    back; parameters come into a node from above, and their gradients go out below.

    Parameters
    ----------
    subject
        What `trace` returns: all that it recorded is shown. Or a network: its layers, and names for the rest.
    params
        Of a network: its parameters, whose shapes are then shown.
    width
        How wide the picture may be, in pixels, before it goes on in another row.
    numbers
        Whether to show the numbers of small arrays (up to 6 by 6), and not their shapes.
    title
        What screen readers call it; by default the layers are listed.

    Returns
    -------
    Drawing
        The graph as `svg`, as `mermaid` text and as a `description` in words. Jupyter shows it; `save` writes a file.

    Raises
    ------
    TypeError
        If the subject is neither a trace nor a layer, or a trace comes with parameters.
    ValueError
        If there are not as many parameters as layers, or the width is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, draw, relu, sequential, softmax_cross_entropy, trace
    >>> network = sequential(affine, relu)
    >>> params = (Affine(W=np.array([[1.0, -1.0]]), b=np.array([0.5, 0.0])), ())
    >>> picture = draw(trace(network, params, np.array([[2.0]]), softmax_cross_entropy, np.array([0])))
    >>> picture
    Drawing('Computational graph: x, affine, relu, softmax_cross_entropy, loss')
    >>> print(picture.mermaid)  # doctest: +ELLIPSIS
    flowchart LR
    ...
        start -->|"x f64[1, 1] = [[2]]"| n1
    ...
    """
    from chainrule.drawing.drawing import drawing_of
    from chainrule.drawing.graph import graph_of_network, graph_of_trace
    from chainrule.tracing.records import Trace

    if not width > 0:
        raise ValueError(f"draw: width must be a positive number of pixels, got {width}")
    if isinstance(subject, Trace):
        if params is not None:
            raise TypeError(f"draw: a trace has its parameters already, got {describe(params)} besides")
        return drawing_of(graph_of_trace(subject, numbers=numbers), width=width, title=title)
    if not isinstance(subject, Layer):
        raise TypeError(f"draw: expected a trace or a Layer, got {describe(subject)}")
    return drawing_of(graph_of_network(subject, params, numbers=numbers), width=width, title=title)
