"""The code of a pair of functions of NumPy's arrays, a layer's or an encoder's."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.interop.in_code import path_in_code, value_in_code
from chainrule.laws.showing._arrays_in_code import drawing, numbered, numbers_in_code
from chainrule.laws.showing._author import Author, Shown

BACKWARD = "dx, grads = backward(cache, dout)"
"""The line of a layer's backward."""


class Pair:
    """A layer's pair of functions of NumPy's arrays."""

    module, gradients = "np", "grads"
    is_pair = True

    def __init__(self, shown: Shown, author: Author) -> None:
        part = shown.part
        self.shown, self.author = shown, author
        self.params = author.natural(part.trial.params)
        self.leaf: Any = None if part.name == "out" else part.leaf
        self.given = dict(self._given())

    def _given(self) -> Iterator[tuple[str, Array]]:
        trial = self.shown.part.trial
        yield from ((f"p{i}", leaf) for i, leaf in enumerate(tree.leaves(trial.params)))
        yield from numbered("x", trial.x)

    def translated(self, text: str) -> str:
        return text

    @property
    def head(self) -> tuple[str, ...]:
        return ("import numpy as np",)

    @property
    def start(self) -> Iterator[str]:
        yield from self.head
        if self.module != "np" and any(map(drawing, (*self.given.values(), self.shown.part.dout))):
            yield "import numpy as np"
        yield from self.renamed

    @property
    def renamed(self) -> Iterator[str]:
        """The line that gives the author's function another name, where the lines have a use for its own."""
        yield from ()

    def setting(self) -> Iterator[str]:
        """The lines that make the arrays, and what is computed of them."""
        yield from (f"{name} = {self.array(leaf)}" for name, leaf in self.given.items())
        yield f"dout = {self.array(self.shown.part.dout)}"
        yield from self.results()

    @property
    def arrays(self) -> Iterator[str]:
        """The imports, and the lines that make the arrays: `x` and `dout` are NumPy's in every library."""
        yield from dict.fromkeys((*self.head, "import numpy as np"))
        yield from self.renamed
        for name, leaf in self.given.items():
            yield f"{name} = {Pair.array(self, leaf) if name == 'x' else self.array(leaf)}"
        yield f"dout = {Pair.array(self, self.shown.part.dout)}"

    @property
    def function(self) -> Iterator[str]:
        """The field as a function of `x` and `dout`."""
        yield "def result(x, dout):"
        yield from (f"    {line}" for line in (*self.taken, *self.results(), f"return {self.returned}"))

    @property
    def taken(self) -> Iterator[str]:
        """The lines in which a function of arrays makes of them what it takes."""
        yield from ()

    @property
    def returned(self) -> str:
        """The field as an array of NumPy's, in code."""
        return self.field

    def array(self, leaf: Array) -> str:
        """An array in code; in any dtype it has numbers that the narrower one holds."""
        numbers = numbers_in_code(leaf)
        is_list = not drawing(leaf)
        if leaf.dtype.kind != "f" or (self.shown.step and self.shown.dtype == "float64"):
            return f"np.array({numbers})" if is_list else numbers
        narrow = f"np.{self.shown.dtype}"
        text = f"np.array({numbers}, {narrow})" if is_list else f"{numbers}.astype({narrow})"
        return text if self.shown.step else f"{text}.astype(dtype)"

    def code(self, value: Any, moved: str = "") -> str:
        """A value in code, in which another array may stand for the one that moves."""
        names = {id(leaf): name for name, leaf in self.given.items()}
        return value_in_code(value, {**names, id(self.leaf): moved} if moved else names)

    def call(self, moved: str = "") -> str:
        return self.call_of(self.code(self.shown.part.trial.x, moved), moved)

    def call_of(self, x: str, moved: str = "") -> str:
        """The call of the author's function of a pair on another x."""
        return f"forward({self.code(self.params, moved)}, {x})"

    def contained(self) -> AbstractContextManager[None]:
        """Within this the lines may be run: what they set for the whole process is put back."""
        return nullcontext()

    def results(self) -> Iterator[str]:
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield BACKWARD

    @property
    def field(self) -> str:
        return self.gradient(self.gradients) if self.of_params else self.shown.part.name

    @property
    def of_params(self) -> bool:
        return self.shown.part.name.startswith("grads")

    def gradient(self, grads: str) -> str:
        return path_in_code(self.params, self.leaf, grads)

    @property
    def got(self) -> str:
        return f"{self.field}[{self.shown.place}]"

    @property
    def moving(self) -> str:
        return next(name for name, leaf in self.given.items() if leaf is self.leaf)

    def moved(self) -> Iterator[str]:
        """The body of the function of a step, whose derivative is the number."""
        yield f"moved = {self.moving}.copy()"
        yield f"moved[{self.shown.place}] += step"
        yield f"return ({self.call('moved')}[0] * dout).sum()"


class PairOfEncoder(Pair):
    gradients = "gradients"

    def results(self) -> Iterator[str]:
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield "gradients = grads(cache, dout)"
