"""Check values and gradients in low precision against a plain formula: kernels, that have no float64 to be judged in.

    error(f) <= 2 error(formula) + a few units of rounding

The truth is the formula in float64, on the same numbers. The yardstick is the formula in the dtype of f, step by step.
The rule is that of flash-attention's tests, here for every kind of `dout`, for sizes at the edges of blocks, for other
places in memory, and with a floor that is measured and not guessed.
"""
# ruff: noqa: PLC0415  # what runs the check is imported with the first one, as by check_layer

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from chainrule.arrays.arguments import generator
from chainrule.arrays.types import Generator
from chainrule.checking.report import Report
from chainrule.layer import Layer

Function: TypeAlias = Layer[Any, Any] | Callable[..., object]
"""A layer, or a function of x and parameters."""


def check_against(
    f: Function,
    reference: Function,
    *args: object,
    rng: Generator,
    frozen: Collection[int | str] = (),
    deterministic: bool = True,
) -> Report:
    """Check a function in the dtype that it is meant for: its values and gradients, against those of a plain formula.

    Parameters
    ----------
    f
        A function of torch's tensors, an `autograd.Function` or a module; a function of JAX's arrays, with a
        `custom_vjp` or without; or a `Layer` of any library's arrays, which may be made of a NumPy kernel by
        `Layer(forward, backward)`.
    reference
        The plain formula, of the same arguments, by the same library: a function or a `Layer`. It must run in float64.
        A function of NumPy arrays has no backward: its derivative is found numerically, entry by entry.
    *args
        x, and then the parameters, as both functions are called: arrays in float32, float16 or bfloat16. Tensors stay
        on their device. A layer's parameters are one argument. A module that is given x alone has its own parameters.
        They are not written to.
    rng
        The generator of `dout`, and of everything else that is drawn.
    frozen
        Arguments that get no gradient, by name or by position, where x is 0.
    deterministic
        Whether the same call must give the same bits.

    Returns
    -------
    Report
        A verdict for each law and result. The results are named after the arguments: `"out"`, `"dx"`, `"dweight"`.
        Errors of f are part of it and not raised.

    Raises
    ------
    TypeError
        If f or the reference is no function or has no backward, x is no array of floats, or rng is no generator.
    ValueError
        If x is in float64, where `check_layer` needs no reference; or the reference does not take the arguments in
        float64.

    Notes
    -----
    The rule: error(f) ≤ 2 error(formula) + floor, of the root mean square over a result and of its largest entry. The
    floor is a unit of rounding of the result, four times what the rounding of the arguments does to it, and what a sum
    in float32 may be off by. Where the formula cannot run in the dtype, or has no backward there, the floor stands
    alone: the rounding of the arguments then counts eight times, and for the largest entry sixteen. The verdict shows
    the figures, and its `power` is the smallest error of one typical entry that would have been seen.

    Entries beyond the range of the dtype are left out, and so are those where the formula itself overflows.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Layer, check_against, own
    >>> def forward(weight: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    ...     return np.tanh(x) * weight, (own(x), own(weight))
    >>> def backward(cache: tuple[Array, Array], dout: Array) -> tuple[Array, Array]:
    ...     x, weight = cache
    ...     tanh = np.tanh(x)
    ...     return dout * weight * (1 - tanh**2), (dout * tanh).sum(axis=0, dtype=np.float16).astype(np.float32)
    >>> def formula(x: Array, weight: Array) -> Array:
    ...     return np.tanh(x) * weight
    >>> rng = np.random.default_rng(0)
    >>> x, weight = rng.standard_normal((6, 4), np.float32), rng.standard_normal(4, np.float32)
    >>> report = check_against(Layer(forward, backward), formula, x, weight, rng=rng)
    >>> [(verdict.law, verdict.field) for verdict in report.failures][0]
    ('gradients', 'dweight')
    """
    from chainrule.laws._of_kernels.report import report_of

    generator("check_against", rng)
    if isinstance(frozen, str) or not all(isinstance(place, int | str) for place in frozen):
        raise TypeError(f"check_against: frozen must be names or positions in a list, got {frozen!r}")
    return report_of(f, reference, args, rng, frozen=tuple(frozen), deterministic=deterministic)
