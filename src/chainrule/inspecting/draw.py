"""`draw`: the computational graph of the textbooks, of a pass or of a network."""
# ruff: noqa: PLC0415  # what traces and draws is imported where it is used: asking for a name must not wait for it

import math
import sys
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from chainrule.arrays.arguments import describe, is_a, truth
from chainrule.encoder import Encoder, Trainable, seed_hint
from chainrule.layer import Layer

if TYPE_CHECKING:
    from chainrule.inspecting.drawing.drawing import Drawing
    from chainrule.inspecting.tracing.records import Trace

P = TypeVar("P")
T = TypeVar("T")


@overload
def draw(subject: "Trace", /, *, width: float = ..., numbers: bool = ..., title: str = ...) -> "Drawing": ...
@overload
def draw(
    subject: Trainable[P, Any], params: P = ..., /, *, width: float = ..., numbers: bool = ..., title: str = ...
) -> "Drawing": ...
def draw(
    subject: Any,
    params: object = None,
    /,
    *,
    width: float = 980,
    numbers: bool = True,
    title: str = "",
) -> "Drawing":
    """Draw the computational graph of a pass, or of a network.

    Nodes stand left to right; where a wire forks, the branches stand above each other up to their joint. Above a wire
    is the value that it carries forward, beneath it the derivative that comes back; parameters come into a node from
    above, and their gradients go out below.

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
        If the subject is no trace, layer or encoder, a trace comes with parameters, the width is no number,
        `numbers` is not True or False, or the title no text.
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
    from chainrule.inspecting.drawing.drawing import drawing_of
    from chainrule.inspecting.drawing.graph import graph_of_network, graph_of_trace
    from chainrule.inspecting.tracing.records import Trace

    if not is_a(width, int, float, np.integer, np.floating):
        raise TypeError(f"draw: width must be a number of pixels, got {describe(width)}")
    if not 0 < width <= sys.float_info.max:
        got = width if width <= sys.float_info.max else math.inf
        raise ValueError(f"draw: width must be a positive number of pixels, got {got}")
    numbers = truth("draw", "numbers", numbers)
    if not is_a(title, str):
        raise TypeError(f"draw: title must be a str, got {describe(title)}")
    if isinstance(subject, Trace):
        if params is not None:
            raise TypeError(f"draw: a trace has its parameters already, got {describe(params)} besides")
        return drawing_of(graph_of_trace(subject, numbers=numbers), width=width, title=title)
    if not is_a(subject, Layer, Encoder):
        hint = seed_hint(subject)
        raise TypeError(f"draw: expected a trace, a Layer or an Encoder, got {describe(subject)}{hint}")
    return drawing_of(graph_of_network(subject, params, numbers=numbers), width=width, title=title)
