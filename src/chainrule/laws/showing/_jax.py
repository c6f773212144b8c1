"""The code of a function of JAX's arrays."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from chainrule.arrays.types import Array
from chainrule.laws.showing._arrays_in_code import numbers_in_code
from chainrule.laws.showing._torch import Torch


@contextmanager
def in_its_width() -> Generator[None]:
    """A block after which JAX has the width of floats that it had before."""
    config: Any = import_module("jax").config
    wide = config.jax_enable_x64
    try:
        yield
    finally:
        config.update("jax_enable_x64", wide)


class Jax(Torch):
    """A function of JAX's arrays."""

    module = "jnp"

    @property
    def head(self) -> tuple[str, ...]:
        """The imports."""
        return "import jax", "import jax.numpy as jnp", 'jax.config.update("jax_enable_x64", True)'

    def contained(self) -> AbstractContextManager[None]:
        """Within this the lines may be run: what they set for the whole process is put back."""
        return in_its_width()

    def array(self, leaf: Array) -> str:
        """An array in code; in any dtype it has numbers that the narrower one holds."""
        numbers = numbers_in_code(leaf)
        if leaf.dtype.kind != "f":
            return f"jnp.array({numbers})"
        text = f"jnp.array({numbers}, jnp.{self.shown.dtype})"
        return text if self.shown.step else f"{text}.astype(dtype)"

    def results(self) -> Iterator[str]:
        """The lines that compute what is wrong."""
        if self.leaf is None:
            yield f"out = {self.call()}"
            return
        yield f"out, pull = jax.vjp(lambda moved: {self.call('moved')}, {self.moving})"
        yield "(got,) = pull(dout)"

    @property
    def taken(self) -> Iterator[str]:
        """The lines in which a function of arrays makes of them what it takes."""
        yield "x, dout = jnp.array(x), jnp.array(dout)"

    @property
    def returned(self) -> str:
        """The field as an array of NumPy's, in code."""
        return f"np.asarray({self.field})"

    def moved(self) -> Iterator[str]:
        """The body of the function of a step, whose derivative is the number."""
        yield f"moved = {self.moving}.at[{self.shown.place}].add(step)"
        yield f"return ({self.call('moved')} * dout).sum().item()"
