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
    module = "jnp"

    @property
    def head(self) -> tuple[str, ...]:
        return "import jax", "import jax.numpy as jnp", 'jax.config.update("jax_enable_x64", True)'

    def contained(self) -> AbstractContextManager[None]:
        return in_its_width()

    def array(self, leaf: Array) -> str:
        numbers = numbers_in_code(leaf)
        if leaf.dtype.kind != "f":
            return f"jnp.array({numbers})"
        text = f"jnp.array({numbers}, jnp.{self.shown.dtype})"
        return text if self.shown.step else f"{text}.astype(dtype)"

    def results(self) -> Iterator[str]:
        if self.leaf is None:
            yield f"out = {self.call()}"
            return
        yield f"out, pull = jax.vjp(lambda moved: {self.call('moved')}, {self.moving})"
        yield "(got,) = pull(dout)"

    @property
    def taken(self) -> Iterator[str]:
        yield "x, dout = jnp.array(x), jnp.array(dout)"

    @property
    def returned(self) -> str:
        return f"np.asarray({self.field})"

    def moved(self) -> Iterator[str]:
        yield f"moved = {self.moving}.at[{self.shown.place}].add(step)"
        yield f"return ({self.call('moved')} * dout).sum().item()"
