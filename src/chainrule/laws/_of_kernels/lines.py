"""Lines of code that show a wrong result of a kernel without this library, beside that of the formula in float64.

They are run before they are given, so that they show what they say.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from chainrule.arrays.types import is_numpy
from chainrule.checking.verdict import Verdict
from chainrule.interop.graph import Function
from chainrule.interop.in_code import name_of_author
from chainrule.laws._of_kernels.backends import OfJAX, Real, Torch, dtype_name, is_float, values
from chainrule.laws._of_kernels.check import Check
from chainrule.laws._of_kernels.smallest import Case, smallest
from chainrule.laws.showing._arrays_in_code import FEW
from chainrule.laws.showing._jax import in_its_width
from chainrule.layer import Layer

Names: TypeAlias = dict[str, Any]
"""The functions that lines call, by name."""

TAKEN = {
    "result",
    "args",
    "each",
    "dtype",
    "out",
    "got",
    "dout",
    "pull",
    "loss",
    "step",
    "moved",
    "h",
    "cache",
    "dx",
    "grads",
}
"""The names that lines give to things of their own; those of modules and of functions come to them."""


def example_of(check: Check, verdicts: list[Verdict]) -> str:
    """The lines that show the first wrong result that can be shown, for few and simple numbers; "" if none can."""
    failures = [verdict for verdict in verdicts if verdict.wrong and verdict.point is not None]
    for verdict in failures:
        case = smallest(check, verdict)
        lines = "" if case is None else lines_of(check, case)
        if lines:
            return lines
    return ""


def lines_of(check: Check, case: Case) -> str:
    """The lines for a case; "" where it can't be written in few of them, or where they show nothing."""
    writer: Lines
    if isinstance(check.backend, Torch):
        writer = TorchLines(check, case)
    else:
        writer = (JaxLines if isinstance(check.backend, OfJAX) else NumPyLines)(check, case)
    try:
        lines, names = "\n".join(writer.lines()), writer.functions
    except NotWrittenError:
        return ""
    return lines if _shows(lines, names, case.verdict) else ""


def _shows(lines: str, names: Names, verdict: Verdict) -> bool:
    printed: list[tuple[float, float]] = []

    def kept(got: float, expected: float) -> None:
        printed.append((float(got), float(expected)))

    try:
        with in_its_width() if "import jax" in lines else nullcontext(), np.errstate(all="ignore"):
            exec(lines, {**names, "print": kept})  # noqa: S102  # the lines are those above
    except Exception:  # the functions of others may need what the lines have not
        return False
    ((got, expected),) = printed
    return not abs(got - expected) <= abs(verdict.got - verdict.expected) / 2


PLACES = {
    "for a broadcast dout, as sum().backward() gives it": "dout.new_ones(()).expand(dout.shape)",
    "for a dout expanded over rows": "dout[:1].expand(dout.shape)",
    "for a dout expanded over columns": "dout[..., :1].expand(dout.shape)",
    "for a Fortran-ordered dout": "dout.T.contiguous().T",
    "for a strided dout": "torch.stack((dout, dout), -1)[..., 0]",
    "for a row-padded dout": "torch.nn.functional.pad(dout, (0, 3))[..., :-3]",
    "for an offset dout": "torch.cat((dout.new_zeros(5), dout.flatten()))[5:].view(dout.shape)",
}
"""A tensor in another place, in code."""


class NotWrittenError(Exception):
    """A case can't be written in few lines."""


@frozen(eq=False)
class Lines(ABC):
    check: Check
    case: Case

    @property
    def place(self) -> str:
        index = self.case.verdict.index
        return f"[{', '.join(map(str, index))}]" if index else ""

    @property
    def arguments(self) -> list[str]:
        taken = {*TAKEN, *self.functions, "np", "torch", "jax", "jnp"}
        found: list[str] = []
        for i, (name, arg) in enumerate(zip(self.check.names.arguments, self.case.args, strict=True)):
            if hasattr(arg, "shape"):
                found.append(name if name.isidentifier() and name not in taken else f"p{i}")
            elif isinstance(arg, int | float | str | None):
                found.append(repr(arg))
            else:
                raise NotWrittenError
        return found

    @property
    def moving(self) -> int | None:
        """The argument whose gradient is wrong; None for the output."""
        if self.case.verdict.field == self.check.names.out:
            return None
        path = next(path for path, name in self.check.names.gradients.items() if name == self.case.verdict.field)
        if path and not path[1:-1].isdecimal():
            raise NotWrittenError
        return int(path[1:-1]) + 1 if path else 0

    @property
    @abstractmethod
    def functions(self) -> Names: ...

    def numbers(self, seed: int, array: Any, like: Any) -> str:
        plain = values(array)
        if plain.size <= FEW and np.isfinite(plain).all():
            return str(self._shortest(plain, like).tolist())
        if not self.case.drawn or plain.dtype.kind == "b":
            raise NotWrittenError
        how = f"integers({plain.max() + 1}, size={plain.shape})" if plain.dtype.kind in "iu" else None
        return f"np.random.default_rng({seed}).{how or f'standard_normal({plain.shape})'}"

    def _shortest(self, plain: Real, array: Any) -> Real:
        """The numbers with as few digits as make the same ones in the dtype of an array."""
        if not is_float(array):
            return plain
        for digits in range(17):
            short = np.array([float(f"{number:.{digits}e}") for number in plain.reshape(-1)]).reshape(plain.shape)
            if np.array_equal(values(self.check.backend.like(short, array)), plain):
                return short
        return plain

    @property
    def imports_numpy(self) -> bool:
        return any(values(array).size > FEW for array in (*self._arrays(), self.case.dout))

    def _arrays(self) -> list[Any]:
        return [arg for arg in self.case.args if hasattr(arg, "shape")]

    def written(self) -> Iterator[str]:
        seed = 0
        for name, arg in zip(self.arguments, self.case.args, strict=True):
            if hasattr(arg, "shape"):
                yield f"{name} = {self.array(self.numbers(seed, arg, arg), arg)}"
                seed += 1
        yield f"dout = {self.array(self.numbers(seed, self.case.dout, self.case.args[0]), self.case.args[0])}"

    @abstractmethod
    def array(self, numbers: str, array: Any) -> str: ...

    @abstractmethod
    def lines(self) -> Iterator[str]: ...


class TorchLines(Lines):
    module = "torch"

    @property
    def kernel(self) -> tuple[str, Any]:
        return _called(self.check.f.layer.forward)

    @property
    def formula(self) -> tuple[str, Any]:
        """The same of the reference, which is `formula` or `reference` where it has no name of its own."""
        name, f = _called(self.check.reference.layer.forward)
        taken = self.kernel[0].partition(".")[0]
        if name.partition(".")[0] not in {"f", taken}:
            return name, f
        return "reference" if taken == "formula" else "formula", f

    @property
    def functions(self) -> Names:
        return {name.partition(".")[0]: f for name, f in (self.formula, self.kernel)}

    def head(self) -> Iterator[str]:
        yield "import torch"

    def array(self, numbers: str, array: Any) -> str:
        device = "" if array.device.type == "cpu" else f', device="{array.device}"'
        return f"torch.tensor({numbers}, dtype=torch.{dtype_name(array)}{device})"

    def result(self) -> Iterator[str]:
        """The body of the function that gives the number."""
        args = [self.moved(name, arg) for name, arg in zip(self.arguments, self.case.args, strict=True)]
        every = ", ".join(self.arguments)
        together = f"{self.moved('each', self.case.args[0])} for each in ({every}{'' if args[1:] else ','})"
        yield f"args = [{together if all(map(_is_moved, self.case.args)) else ', '.join(args)}]"
        yield "out = f(*args)"
        if self.moving is not None:
            yield f"(got,) = torch.autograd.grad(out, args[{self.moving}], dout.to(out.dtype))"
        yield f"return {'out' if self.moving is None else 'got'}{self.place}.item()"

    def placed(self) -> str:
        if self.module != "torch" or self.case.place not in PLACES:
            raise NotWrittenError
        return PLACES[self.case.place]

    def moved(self, name: str, arg: Any) -> str:
        return f"{name}.to(dtype, copy=True).requires_grad_()" if _is_moved(arg) else name

    def lines(self) -> Iterator[str]:
        yield from self.head()
        if self.imports_numpy:
            yield "import numpy as np"
        yield from self.written()
        if self.case.place:
            yield f"dout = {self.placed()}  # {self.case.place.removeprefix('for ')}"
        yield "def result(f, dtype):"
        yield from (f"    {line}" for line in self.result())
        narrow = f"{self.module}.{dtype_name(self.case.args[0])}"
        yield f"print(result({self.kernel[0]}, {narrow}), result({self.formula[0]}, {self.module}.float64))"


class JaxLines(TorchLines):
    module = "jnp"

    def head(self) -> Iterator[str]:
        yield from ("import jax", "import jax.numpy as jnp", 'jax.config.update("jax_enable_x64", True)')

    def array(self, numbers: str, array: Any) -> str:
        return f"jnp.array({numbers}, jnp.{dtype_name(array)})"

    def result(self) -> Iterator[str]:
        args = ", ".join(self.moved(name, arg) for name, arg in zip(self.arguments, self.case.args, strict=True))
        if self.moving is None:
            yield f"return f({args}){self.place}.item()"
        else:
            yield f"out, pull = jax.vjp(f, {args})"
            yield f"return pull(dout.astype(out.dtype))[{self.moving}]{self.place}.item()"

    def moved(self, name: str, arg: Any) -> str:
        return f"{name}.astype(dtype)" if _is_moved(arg) else name


class NumPyLines(Lines):
    @property
    def functions(self) -> Names:
        layer = self.check.f.layer
        return {self.formula: self.check.reference.author, "forward": layer.forward, "backward": layer.backward}

    @property
    def formula(self) -> str:
        author = self.check.reference.author
        name = "f" if isinstance(author, Layer) else name_of_author(author)
        return "formula" if name in {"f", "forward", "backward", *TAKEN} else name

    def array(self, numbers: str, array: Any) -> str:
        return f"np.array({numbers}, np.{dtype_name(array)})"

    def lines(self) -> Iterator[str]:
        if self.case.place or not all(is_numpy(array) for array in self._arrays()):
            raise NotWrittenError
        x, *params = self.arguments
        yield "import numpy as np"
        yield from self.written()
        yield f"out, cache = forward({self._tree(params)}, {x})"
        if self.moving is None:
            yield f"print(out{self.place}, {self._value(self._wide())}{self.place})"
            return
        yield "dx, grads = backward(cache, dout)"
        at = self.moving - 1
        got = ("dx" if at < 0 else "grads" if self.check.f.alone else f"grads[{at}]") + self.place
        yield f"def loss(step):  # {got} is the derivative of this at 0"
        wide = self._wide()
        yield f"    moved = {wide[self.moving]}"
        yield f"    moved[{self.place[1:-1] or '()'}] += step"
        wide[self.moving] = "moved"
        yield f"    return ({self._value(wide)} * dout).sum()"
        yield "h = 1e-05"
        yield f"print({got}, (loss(h) - loss(-h)) / (2 * h))"

    def _wide(self) -> list[str]:
        args = zip(self.arguments, self.case.args, strict=True)
        return [f"{name}.astype(np.float64)" if _is_moved(arg) else name for name, arg in args]

    def _value(self, args: list[str]) -> str:
        if isinstance(self.check.reference.author, Layer):
            return f"{self.formula}.forward({self._tree(args[1:])}, {args[0]})[0]"
        return f"{self.formula}({', '.join(args)})"

    def _tree(self, params: list[str]) -> str:
        """The parameters of a layer: one as it is, and others in a tuple."""
        return params[0] if self.check.f.alone else f"({', '.join(params)})"


def _is_moved(arg: Any) -> bool:
    return hasattr(arg, "shape") and is_float(arg)


def _called(made: object) -> tuple[str, Any]:
    """The call of a function without its arguments, and the function or class that has a name in it."""
    if not isinstance(made, Function) or hasattr(made.f, "named_parameters"):
        raise NotWrittenError
    f = made.f
    if isinstance(f, type):
        return f"{f.__name__}.apply", f
    return name_of_author(f), f
