"""Windows along the spatial axes of x (n, ..., c): their sizes, strides and paddings, and the slices that they share.

A window of `size` numbers begins at every `stride`-th place of an axis that is padded before and after. Its k-th number
belongs to the k-th of as many slices of the axis, `k::stride`, so that what all windows do with their numbers is done
with slices, entry by entry. Windows on several axes are products of those on one: each axis is worked off by itself.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from chainrule.arrays.namespace import Namespace
from chainrule.arrays.slices import along
from chainrule.arrays.spatial import Each, Margins, axes_of, margins, sizes, spatial
from chainrule.arrays.types import Array, Unit, is_any_tuple
from chainrule.layer import Shape


class Windows(NamedTuple):
    """The windows along one axis."""

    size: int
    stride: int
    before: int
    after: int

    def number(self, length: int) -> int:
        """The number of windows along an axis of a length; none if it is less than 1."""
        return (length + self.before + self.after - self.size) // self.stride + 1


def options(owner: str, size: Any, stride: Any, padding: Any) -> dict[str, Any]:
    """Check the options of a layer with windows, and give them as it prints them; a stride of None is the size."""
    size = sizes(owner, "size", size, least=1)
    stride = size if stride is None else sizes(owner, "stride", stride, least=1)
    given = {"size": size, "stride": stride, "padding": margins(owner, padding)}
    for each in windows(axes_of(owner, **given), **given):
        if max(each.before, each.after) >= each.size:
            most = f"a padding of {max(each.before, each.after)} holds a window of {each.size}"
            raise ValueError(f"{owner}: padding must be less than size, but {most}")
    return given


@lru_cache(maxsize=64)
def windows(axes: int, size: Each, stride: Each, padding: Margins) -> tuple[Windows, ...]:
    """The windows along each of some spatial axes."""
    sizes, strides, pads = (_for(axes, option) for option in (size, stride, padding))
    both = [pad if is_any_tuple(pad) else (pad, pad) for pad in pads]
    return tuple(Windows(*each, *ends) for *each, ends in zip(sizes, strides, both, strict=True))


def _for(axes: int, option: Any) -> tuple[Any, ...]:
    return option if is_any_tuple(option) else (option,) * axes


def fits(owner: str, params: Unit, x: Array, *, size: Each, stride: Each, padding: Margins) -> None:
    """Check that x has an axis of examples, the spatial axes, each of them long enough, and one of channels."""
    axes = x.ndim - 2
    least, most = (len(size), len(size)) if isinstance(size, tuple) else (1, 3)
    for option in (stride, padding):
        least, most = (len(option), len(option)) if isinstance(option, tuple) else (least, most)
    if not least <= axes <= most:
        wanted = spatial(least) if least == most else "1 to 3 spatial axes"
        raise ValueError(f"{owner}: x must have {wanted} between the first and the last, got shape {tuple(x.shape)}")
    for axis, each in enumerate(windows(axes, size, stride, padding), 1):
        length = x.shape[axis]
        if length < 1 or each.number(length) < 1:
            what = f"a window of {each.size} does not fit into axis {axis} of x {tuple(x.shape)}"
            raise ValueError(f"{owner}: {what} with padding {(each.before, each.after)}")


def taps(xp: Namespace, x: Array, axis: int, each: Windows, value: float) -> Sequence[Array]:
    """The k-th numbers of all windows along an axis, for each k; beyond the ends there is a value."""
    x = xp.padded(x, axis, each.before, each.after, value)
    last = (x.shape[axis] - each.size) // each.stride * each.stride + 1
    return [x[along(x.ndim, axis, k, k + last, each.stride)] for k in range(each.size)]


def untapped(xp: Namespace, parts: Sequence[Array], axis: int, each: Windows, length: int) -> Array:
    """The transpose of `taps`: each part is added at the places that the k-th numbers came from."""
    out = xp.overlapped(parts, axis, each.stride, each.before + length + each.after)
    return out[along(out.ndim, axis, each.before, each.before + length)]


def operations(size: Each, params: Unit, x: Shape, out: Shape) -> tuple[int, int]:
    """One for each number of each window, forward and backward, axis by axis from the last."""
    lengths, total = list(x), 0
    sizes = _for(len(x) - 2, size)
    for axis in range(len(x) - 2, 0, -1):
        lengths[axis] = out[axis]
        total += sizes[axis - 1] * math.prod(lengths)
    return total, total
