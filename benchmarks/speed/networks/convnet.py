"""The convolutional network of `examples/mnist_convnet.py`, with its relus before the pools and without dropout."""

from functools import partial
from typing import Any

import numpy as np

from chainrule import Affine, Convolution, affine, convolution, flatten, initializers, max_pool, relu, sequential
from speed.layers.convolutions import convolution_in_jax
from speed.layers.pools import max_pool_in_jax
from speed.whole import Size, Whole

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


block = sequential(convolution(), relu, max_pool(2))

LINES = {
    "convnet": Whole(
        network=lambda _size: sequential(block, block, flatten, affine, relu, affine),
        params=params,
        batch=lambda rng, size: (rng.random(size, np.float32), rng.integers(0, CLASSES, size[0])),
        torch=lambda torch, _size: partial(logits_in_torch, torch),
        jax=lambda jax, _size: partial(logits_in_jax, jax),
        sizes=((64, 28, 28, 1),),
    )
}
"""At (batch, height, width, channels)."""
