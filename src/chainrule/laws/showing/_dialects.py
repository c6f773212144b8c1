"""The code of an author's functions: of a pair of NumPy's arrays, of torch or of JAX."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any

from attrs import frozen

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.encoder import Encoder
from chainrule.interop.graph import Function
from chainrule.interop.in_code import name_in_code, path_in_code, reached, value_in_code
from chainrule.laws.of_losses._as_layer import LossForward
from chainrule.laws.showing._arrays_in_code import drawing, numbered, numbers_in_code
from chainrule.laws.trials.part import Part
from chainrule.layer import derives_grads

NAMES = ("forward", "backward", "grads", "rows")
"""The functions of layers and losses."""

IN_LOSSES = {"x": "out", "out": "value", "dx": "dout", "dout": "dloss"}
"""The names that lines have for a loss, by those that they have for a layer."""

NAMES_OF_LAYERS = re.compile(rf"(?<![.\w'\"])({'|'.join(IN_LOSSES)})\b(?!=)")
"""These, but not as attributes, keys and names of fields."""


@frozen(eq=False)
class Shown:
    """A number that is wrong, at a point that shows it.

    Parameters
    ----------
    part
        The field, at the point.
    index
        Which of its numbers.
    step
        The step of the differences that show it; 0 where it is compared with that of float64.
    kinked
        Whether differences to both sides are shown.
    dtype
        The dtype of the arrays.
    """

    part: Part
    index: tuple[int, ...]
    step: float
    kinked: bool
    dtype: str

    @property
    def place(self) -> str:
        """The index in code."""
        return ", ".join(map(str, self.index)) or "()"


@frozen(eq=False)
class Author:
    """The layer as its author wrote it, what its functions are given for a tree, and the parameters or targets."""

    layer: Any
    natural: Callable[[Any], Any]
    params: Any = ()

    @property
    def names(self) -> dict[str, Any]:
        """The author's functions and the classes of records by their names, as lines that are pasted find them."""
        made = self.layer.forward
        kinds: set[Any] = {each.__class__ for _, each in reached(self.natural(self.params), "")}
        classes = {kind.__name__: kind for kind in kinds if kind.__module__ not in ("builtins", "numpy")}
        if isinstance(made, Function):
            return {made.name: made.f, **classes}
        names = [name for name in NAMES if name != "grads" or not derives_grads(self.layer)]
        return {**{name: getattr(self.layer, name, None) for name in names}, **classes}


def dialect(shown: Shown, author: Author) -> "Pair":
    """The code of the author's functions: of a pair, or of torch's or JAX's."""
    made = author.layer.forward
    if isinstance(made, Function):
        return {"torch": Torch, "jax": Jax}[made.library](shown, author)
    if isinstance(shown.part.trial.layer.forward, LossForward):
        return PairOfLoss(shown, author)
    return PairOfEncoder(shown, author) if isinstance(author.layer, Encoder) else Pair(shown, author)


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
        """The arrays that are given, and their names."""
        trial = self.shown.part.trial
        yield from ((f"p{i}", leaf) for i, leaf in enumerate(tree.leaves(trial.params)))
        yield from numbered("x", trial.x)

    def translated(self, text: str) -> str:
        """Lines in the author's words."""
        return text

    @property
    def head(self) -> tuple[str, ...]:
        """The imports."""
        return ("import numpy as np",)

    @property
    def start(self) -> Iterator[str]:
        """The lines before all others."""
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
        """The call of the author's function."""
        return self.call_of(self.code(self.shown.part.trial.x, moved), moved)

    def call_of(self, x: str, moved: str = "") -> str:
        """The call of the author's function of a pair on another x."""
        return f"forward({self.code(self.params, moved)}, {x})"

    def contained(self) -> AbstractContextManager[None]:
        """Within this the lines may be run: what they set for the whole process is put back."""
        return nullcontext()

    def results(self) -> Iterator[str]:
        """The lines that compute what is wrong."""
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield "dx, grads = backward(cache, dout)"

    @property
    def field(self) -> str:
        """The field that is wrong, in code."""
        return self.gradient(self.gradients) if self.of_params else self.shown.part.name

    @property
    def of_params(self) -> bool:
        """True if the field is the derivative with respect to a parameter."""
        return self.shown.part.name.startswith("grads")

    def gradient(self, grads: str) -> str:
        """The derivative by the parameter in what has the name `grads`, in code."""
        return path_in_code(self.params, self.leaf, grads)

    @property
    def got(self) -> str:
        """The number that is wrong, in code."""
        return f"{self.field}[{self.shown.place}]"

    @property
    def moving(self) -> str:
        """The name of the array that moves."""
        return next(name for name, leaf in self.given.items() if leaf is self.leaf)

    def moved(self) -> Iterator[str]:
        """The body of the function of a step, whose derivative is the number."""
        yield f"moved = {self.moving}.copy()"
        yield f"moved[{self.shown.place}] += step"
        yield f"return ({self.call('moved')}[0] * dout).sum()"


class PairOfEncoder(Pair):
    """An encoder's functions, which give no `dx`."""

    gradients = "gradients"

    def results(self) -> Iterator[str]:
        """The lines that compute what is wrong."""
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield "gradients = grads(cache, dout)"


class PairOfLoss(Pair):
    """A loss's pair of functions, as those of a layer for its targets, whose names are put right at the end."""

    def translated(self, text: str) -> str:
        """Lines in the author's words."""
        return NAMES_OF_LAYERS.sub(lambda name: IN_LOSSES[name[0]], text)

    def _given(self) -> Iterator[tuple[str, Array]]:
        yield from super()._given()
        yield from numbered("targets", self.targets)

    @property
    def targets(self) -> Any:
        """The numbers that the output is compared with."""
        return self.shown.part.trial.layer.forward.targets

    def call_of(self, x: str, moved: str = "") -> str:
        """The call of the author's function of a pair on another x."""
        return f"forward({x}, {self.code(self.targets)})"

    def results(self) -> Iterator[str]:
        """The lines that compute what is wrong."""
        yield f"out, cache = {self.call()}"
        if self.leaf is not None:
            yield "dx = backward(cache, dout)"

    @property
    def field(self) -> str:
        """The field that is wrong, in code."""
        return "np.asarray(out)" if self.leaf is None else "dx"


class Torch(Pair):
    """A function of torch's tensors."""

    module = "torch"
    is_pair = False

    @property
    def head(self) -> tuple[str, ...]:
        """The imports."""
        return ("import torch", *(line for line in self.author.layer.forward.start if line.startswith("import")))

    @property
    def renamed(self) -> Iterator[str]:
        """The line that gives the author's function another name, where the lines have a use for its own."""
        made = self.author.layer.forward
        name = name_in_code(made.f)
        if not made.start and name != made.name:
            yield f"{name} = {made.name}  # {made.name} is another thing below"

    def array(self, leaf: Array) -> str:
        """An array in code; in any dtype it has numbers that the narrower one holds."""
        numbers = numbers_in_code(leaf)
        if leaf.dtype.kind != "f":
            return f"torch.tensor({numbers})"
        text = f"torch.tensor({numbers}, dtype=torch.{self.shown.dtype}"
        moves = leaf is not self.shown.part.dout
        if self.shown.step:
            return f"{text}{', requires_grad=True' if moves else ''})"
        return f"{text}).to(dtype){'.requires_grad_()' if moves else ''}"

    def call(self, moved: str = "") -> str:
        """The call of the author's function."""
        trial = self.shown.part.trial
        text: str = self.author.layer.forward.in_code(trial.params, trial.x, partial(self.code, moved=moved))
        return text

    def setting(self) -> Iterator[str]:
        """The lines that make the arrays, and what is computed of them."""
        yield from self._later(f"{self.module}.{self.shown.dtype}" if self.shown.step else "dtype")
        yield from super().setting()

    def _later(self, dtype: str) -> Iterator[str]:
        """The lines after the imports that come before calls."""
        later = (line for line in self.author.layer.forward.start if not line.startswith("import"))
        yield from (line.format(dtype=dtype) for line in later)

    def results(self) -> Iterator[str]:
        """The lines that compute what is wrong."""
        yield f"out = {self.call()}"
        if self.leaf is not None:
            yield f"(got,) = torch.autograd.grad(out, {self.moving}, dout)"

    @property
    def arrays(self) -> Iterator[str]:
        """The imports, and the lines that make the arrays: `x` and `dout` are NumPy's in every library."""
        yield from super().arrays
        yield from self._later(f"{self.module}.{self.shown.dtype}")

    @property
    def taken(self) -> Iterator[str]:
        """The lines in which a function of arrays makes of them what it takes."""
        moves = ".requires_grad_()" if self.shown.part.trial.x.dtype.kind == "f" else ""
        yield f"x, dout = torch.from_numpy(x){moves}, torch.from_numpy(dout)"

    @property
    def returned(self) -> str:
        """The field as an array of NumPy's, in code."""
        return f"{self.field}.detach().numpy()"

    @property
    def field(self) -> str:
        """The field that is wrong, in code."""
        return "out" if self.leaf is None else "got"

    @property
    def got(self) -> str:
        """The number that is wrong, in code."""
        return f"{super().got}.item()"

    def moved(self) -> Iterator[str]:
        """The body of the function of a step, whose derivative is the number."""
        yield f"moved = {self.moving}.detach().clone()"
        yield f"moved[{self.shown.place}] += step"
        yield f"return ({self.call('moved')} * dout).sum().item()"


class Jax(Torch):
    """A function of JAX's arrays."""

    module = "jnp"

    @property
    def head(self) -> tuple[str, ...]:
        """The imports."""
        return "import jax", "import jax.numpy as jnp", 'jax.config.update("jax_enable_x64", True)'

    @contextmanager
    def contained(self) -> Generator[None]:
        """Within this the lines may be run: what they set for the whole process is put back."""
        config: Any = import_module("jax").config
        wide = config.jax_enable_x64
        try:
            yield
        finally:
            config.update("jax_enable_x64", wide)

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
