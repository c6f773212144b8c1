"""Convolutions, of pictures and of one axis."""

from functools import partial
from typing import Any

from chainrule import Convolution, convolution, convolution_transpose
from speed.line import CHANNELS_FIRST, Line


def convolution_in_jax(jax: Any, x: Any, W: Any, b: Any, *, stride: int, groups: int) -> Any:
    """Of one or two axes."""
    space = "HW"[: W.ndim - 2]
    form = (f"N{space}C", f"{space}IO", f"N{space}C")
    strides = (stride,) * len(space)
    options = {"dimension_numbers": form, "feature_group_count": groups}
    return jax.lax.conv_general_dilated(x, W, strides, "SAME", **options) + b


def convolution_transpose_in_jax(jax: Any, x: Any, W: Any, b: Any) -> Any:
    """Of windows with stride 2, turned as torch does."""
    form = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_transpose(x, W[::-1, ::-1], (2, 2), "SAME", dimension_numbers=form) + b


def convolved(
    window: tuple[int, ...], *sizes: tuple[int, ...], outputs: int = 1, stride: int = 1, groups: int = 1
) -> Line:
    """The line of a convolution with so many outputs for each channel of x."""
    name, padding = f"conv{len(window)}d", window[0] // 2
    return Line(
        convolution(stride, groups=groups),
        lambda torch: partial(getattr(torch.nn.functional, name), stride=stride, padding=padding, groups=groups),
        lambda jax: partial(convolution_in_jax, jax, stride=stride, groups=groups),
        lambda rng, channels: Convolution.init(rng, channels, channels * outputs, window, groups=groups),
        sizes,
        moves=[CHANNELS_FIRST, ((-1, -2), (0, 1))],
    )


LINES = {
    "convolution": convolved((3, 3), (16, 8, 8, 256), (64, 28, 28, 32), (32, 32, 32, 64)),
    "convolution of one channel": convolved((3, 3), (64, 28, 28, 1), outputs=32),
    "convolution to twice as many channels": convolved((3, 3), (64, 14, 14, 32), outputs=2),
    "convolution 5 × 5": convolved((5, 5), (32, 28, 28, 32)),
    "convolution 1 × 1": convolved((1, 1), (32, 28, 28, 64)),
    "convolution with a stride of 2": convolved((3, 3), (64, 29, 29, 32), outputs=2, stride=2),
    "convolution of one axis": convolved((3,), (64, 256, 32), outputs=2),
    "depthwise convolution": convolved((3, 3), (32, 28, 28, 64), groups=64),
    "convolution_transpose": Line(
        convolution_transpose(2),
        lambda torch: partial(torch.nn.functional.conv_transpose2d, stride=2, padding=1),
        lambda jax: partial(convolution_transpose_in_jax, jax),
        lambda rng, channels: Convolution.init(rng, channels, channels // 2, (4, 4)),
        ((32, 14, 14, 64),),
        moves=[CHANNELS_FIRST, ((-2, -1), (0, 1))],
    ),
}
