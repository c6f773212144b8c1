"""Strides, dilations and paddings of convolutions: checked, and made into windows over the positions of an x.

On an axis of q positions, windows of `size` places that reach over r = (size - 1) dilation + 1 positions give

    p = floor((q + before + after - r) / stride) + 1

outputs. "valid" adds no zeros. "same" gives p = q / stride, rounded up, with as many zeros as it takes, the odd one
after.

The transpose has the windows of the convolution that leads from its output to its input: of p inputs it gives
q = (p - 1) stride + r - before - after outputs, for "same" p stride.
"""

from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypedDict

from chainrule.arrays.spatial import Each, Margins, margins, spatial
from chainrule.arrays.types import Array, is_any_tuple
from chainrule.arrays.windows import Windows

Padding: TypeAlias = Literal["same", "valid"] | Margins
"""The zeros around x: as many as "same" takes, none, so many on every side, or on those of each axis."""
TRANSPOSE = "convolution_transpose"
"""The owner of options whose windows lie over the output."""


class Options(TypedDict, total=False):
    """The options of a convolution, those of its transpose among them."""

    stride: Each
    padding: Padding
    dilation: Each
    groups: int


def padding_of(owner: str, value: Padding) -> Padding:
    """A padding: "same", "valid", an integer or a tuple of pairs of them, none of which is negative."""
    known = "'same', 'valid', an integer or a tuple of them"
    if not isinstance(value, str):
        return margins(owner, value, known)
    if value not in {"same", "valid"}:
        raise ValueError(f"{owner}: padding must be {known}, got {value!r}")
    return value


def fits(owner: str, options: Options, params: Any, x: Array) -> None:
    """Check that x has the spatial axes and channels of W, and room for a window."""
    shape, W, groups = tuple(x.shape), tuple(params.W.shape), options.get("groups", 1)
    if len(shape) != len(W):
        what = f"x must have {len(W)} axes, of examples, of space and of channels"
        raise ValueError(f"{owner}: {what}, for W {W}, got shape {shape}")
    if shape[-1] != W[-2] * groups:
        within = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(f"{owner}: x has {shape[-1]} channels {shape} but W takes {W[-2] * groups}{within} {W}")
    if W[-1] % groups:
        raise ValueError(f"{owner}: {W[-1]} outputs of W {W} do not divide into {groups} groups")
    windows_of(owner, x.shape, params.W.shape, **options)


@lru_cache(maxsize=256)
def windows_of(
    owner: str,
    x: tuple[int, ...],
    W: tuple[int, ...],
    stride: Each,
    padding: Padding,
    dilation: Each = 1,
    groups: int = 1,
) -> Windows:
    """The windows over x, or of the transpose those of which x is the outcome, of the shapes of x and W."""
    axes, transposed = len(W) - 2, owner == TRANSPOSE
    strides = _on_axes(owner, "stride", stride, axes, W)
    dilations = _on_axes(owner, "dilation", dilation, axes, W)
    pads = _on_axes(owner, "padding", 0 if isinstance(padding, str) else padding, axes, W)
    pairs = [pad if is_any_tuple(pad) else (pad, pad) for pad in pads]
    outer, inner, befores = list[int](), list[int](), list[int]()
    for n, places, s, d, (before, after) in zip(x[1:-1], W[:-2], strides, dilations, pairs, strict=True):
        reach = (places - 1) * d + 1
        if padding == "same":
            p, q = (n, n * s) if transposed else (-(-n // s), n)
            befores.append(max((p - 1) * s + reach - q, 0) // 2)
        else:
            p, q = (n, (n - 1) * s + reach) if transposed else ((n + before + after - reach) // s + 1, n)
            q -= (before + after) * transposed
            befores.append(before)
        if min(p, q) < 1:
            option = f"stride {stride}" if transposed else f"dilation {dilation}"
            what = f"windows of W {W} with {option} and padding {padding!r} leave nothing of x {x}"
            raise ValueError(f"{owner}: {what}")
        outer.append(q)
        inner.append(p)
    return Windows(tuple(outer), tuple(inner), W[:-2], strides, dilations, tuple(befores), groups)


def _on_axes(owner: str, name: str, value: Any, axes: int, W: tuple[int, ...]) -> tuple[Any, ...]:
    if not is_any_tuple(value):
        return (value,) * axes
    if len(value) != axes:
        raise ValueError(f"{owner}: {name} must be for {spatial(axes)}, as W {W} has, got {value}")
    return value
