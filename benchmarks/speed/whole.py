"""A whole network beside the same in torch and JAX. The files of `speed.networks` have the lines."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule import Labels
from speed.problem import Floats

Size: TypeAlias = tuple[int, ...]


@frozen
class Work:
    """All that a step can't do without: matrix products, exponentials, and the copies that products need in NumPy."""

    products: Sequence[tuple[Floats, Floats]]
    """Their factors."""
    functions: Sequence[tuple[Callable[[Floats], Floats], Floats]] = ()
    """The exponential and the hyperbolic tangent, and as many numbers as have one."""
    copies: Callable[[], None] | None = None
    """Makes the windows of convolutions."""

    @property
    def operations(self) -> int:
        """Those of the products, two for each factor of an entry."""
        return sum(2 * a.size * b.shape[-1] for a, b in self.products)

    def multiply(self) -> None:
        """All products, on fresh arrays of the same shapes and strides."""
        for a, b in self.products:
            if a.ndim == 2:
                a.dot(b)
            else:
                np.matmul(a, b)

    def evaluate(self) -> None:
        """All exponentials and tangents."""
        for function, numbers in self.functions:
            function(numbers)


def back_and_forth(rng: np.random.Generator, rows: int, d: int, m: int) -> list[tuple[Floats, Floats]]:
    """The factors of the three products of an affine map."""
    x, W, dout = (rng.standard_normal(shape, np.float32) for shape in ((rows, d), (d, m), (rows, m)))
    return [(x, W), (dout, W.T), (x.T, dout)]


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
    work: Callable[[np.random.Generator, Size], Work]
    sizes: tuple[Size, ...]
    least: Callable[[Size], Size]
    """A size at which a step makes the same calls, of arrays with next to nothing in them."""
    compiles: bool = True
    """True if `torch.compile` takes it: of `torch.lstm` it takes no gradient."""
