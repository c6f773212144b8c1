"""The convolutional network of `examples/mnist_convnet.py`, with its relus before the pools and without dropout."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import Affine, Convolution, affine, convolution, flatten, initializers, max_pool, relu, sequential
from chainrule.arrays.tuned_windows import windows
from chainrule.arrays.windows import Windows
from chainrule.layers.convolution.options import windows_of
from speed.layers.convolutions import convolution_in_jax
from speed.layers.pools import max_pool_in_jax
from speed.problem import Floats
from speed.whole import Size, Whole, Work, back_and_forth

CHANNELS, HIDDEN, CLASSES = (32, 64), 128, 10


def params(rng: np.random.Generator, size: Size) -> Any:
    """Weights for images that two pools halve."""
    he, (few, many), (_, height, width, channels) = initializers.he_normal, CHANNELS, size
    return (
        (Convolution.init(rng, channels, few, 3, weights=he), (), ()),
        (Convolution.init(rng, few, many, 3, weights=he), (), ()),
        (),
        Affine.init(rng, (height // 4) * (width // 4) * many, HIDDEN, weights=he),
        (),
        Affine.init(rng, HIDDEN, CLASSES),
    )


def logits_in_torch(torch: Any, x: Any, W: Any, b: Any, V: Any, c: Any, *rest: Any) -> Any:
    """With channels last in memory, as ours: in its own layout it takes as long."""
    functions, h = torch.nn.functional, x.permute(0, 3, 1, 2)
    for kernel, bias in ((W, b), (V, c)):
        h = torch.relu(functions.conv2d(h, kernel.permute(3, 2, 0, 1), bias, padding=1))
        h = functions.max_pool2d(h, 2)
    A, a, B, d = rest
    return torch.addmm(d, torch.relu(torch.addmm(a, h.permute(0, 2, 3, 1).flatten(1), A)), B)


def logits_in_jax(jax: Any, x: Any, W: Any, b: Any, V: Any, c: Any, *rest: Any) -> Any:
    """The same in JAX."""
    for kernel, bias in ((W, b), (V, c)):
        x = jax.nn.relu(convolution_in_jax(jax, x, kernel, bias, stride=1, groups=1))
        x = max_pool_in_jax(jax, x, size=2, stride=2, padding=0)
    A, a, B, d = rest
    return jax.nn.relu(x.reshape(x.shape[0], -1) @ A + a) @ B + d


def work(rng: np.random.Generator, size: Size) -> Work:
    """Products of the windows of some images at a time: of x in the first convolution, in the second of dout too."""
    (few, many), (n, height, width, channels) = CHANNELS, size
    products: list[tuple[Floats, Floats]] = []
    pictures: list[tuple[Floats, Windows]] = []
    # How much smaller the picture is, the channels that are seen through windows, those that meet them, and how often:
    # there, and back to W or x, of which the first convolution does without the second.
    for halved, seen, met, there, back in ((1, channels, few, 1, 1), (2, few, many, 1, 0), (2, many, few, 1, 1)):
        shape = (n, height // halved, width // halved, seen)
        at, x = windows_of("convolution", shape, (3, 3, seen, met), 1, "same"), rng.standard_normal(shape, np.float32)
        pictures += [(x, at)] * (1 + back * (seen == channels))
        for _, (rows,) in windows(x, at):
            W, dout = (rng.standard_normal((k, met), np.float32) for k in (9 * seen, len(rows)))
            products += [(rows, W)] * there + [(rows.T, dout)] * back
    shapes = ((height // 4 * (width // 4) * many, HIDDEN), (HIDDEN, CLASSES))
    products += [pair for shape in shapes for pair in back_and_forth(rng, n, *shape)]

    def copies() -> None:
        for x, at in pictures:
            for _ in windows(x, at):
                pass

    return Work(products, copies=copies)


block = sequential(convolution(), relu, max_pool(2))

LINES = {
    "convnet": Whole(
        network=lambda _size: sequential(block, block, flatten, affine, relu, affine),
        params=params,
        batch=lambda rng, size: (rng.random(size, np.float32), rng.integers(0, CLASSES, size[0])),
        torch=lambda torch, _size: partial(logits_in_torch, torch),
        jax=lambda jax, _size: partial(logits_in_jax, jax),
        work=work,
        sizes=((64, 28, 28, 1),),
        least=lambda size: (1, 4, 4, size[-1]),
    )
}
"""At (batch, height, width, channels)."""
