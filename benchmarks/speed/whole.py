"""A whole network beside the same in torch and JAX. The files of `speed.networks` have the lines."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import Labels

Size: TypeAlias = tuple[int, ...]


@frozen
class Whole:
    """A network of a size, its start and a batch, and the same function of x and the leaves in torch and JAX.

    It gives logits (..., k), whose cross-entropy with labels (...,) is descended.
    """

    network: Callable[[Size], Any]
    params: Callable[[np.random.Generator, Size], Any]
    batch: Callable[[np.random.Generator, Size], tuple[Any, Labels]]
    torch: Callable[[Any, Size], Callable[..., Any]]
    """The function, of the module and a size."""
    jax: Callable[[Any, Size], Callable[..., Any]]
    sizes: tuple[Size, ...]
    compiles: bool = True
    """Whether `torch.compile` takes it: of `torch.lstm` it takes no gradient."""
