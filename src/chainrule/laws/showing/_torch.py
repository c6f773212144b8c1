"""The code of a function of torch's tensors."""

from collections.abc import Iterator
from functools import partial

from chainrule.arrays.types import Array
from chainrule.interop.in_code import name_in_code
from chainrule.laws.showing._arrays_in_code import numbers_in_code
from chainrule.laws.showing._pair import Pair


class Torch(Pair):
    module = "torch"
    is_pair = False

    @property
    def head(self) -> tuple[str, ...]:
        return ("import torch", *(line for line in self.author.layer.forward.start if line.startswith("import")))

    @property
    def renamed(self) -> Iterator[str]:
        made = self.author.layer.forward
        name = name_in_code(made.f)
        if not made.start and name != made.name:
            yield f"{name} = {made.name}  # {made.name} is another thing below"

    def array(self, leaf: Array) -> str:
        numbers = numbers_in_code(leaf)
        if leaf.dtype.kind != "f":
            return f"torch.tensor({numbers})"
        text = f"torch.tensor({numbers}, dtype=torch.{self.shown.dtype}"
        moves = leaf is not self.shown.part.dout
        if self.shown.step:
            return f"{text}{', requires_grad=True' if moves else ''})"
        return f"{text}).to(dtype){'.requires_grad_()' if moves else ''}"

    def call(self, moved: str = "") -> str:
        trial = self.shown.part.trial
        text: str = self.author.layer.forward.in_code(trial.params, trial.x, partial(self.code, moved=moved))
        return text

    def setting(self) -> Iterator[str]:
        yield from self._later(f"{self.module}.{self.shown.dtype}" if self.shown.step else "dtype")
        yield from super().setting()

    def _later(self, dtype: str) -> Iterator[str]:
        later = (line for line in self.author.layer.forward.start if not line.startswith("import"))
        yield from (line.format(dtype=dtype) for line in later)

    def results(self) -> Iterator[str]:
        yield f"out = {self.call()}"
        if self.leaf is not None:
            yield f"(got,) = torch.autograd.grad(out, {self.moving}, dout)"

    @property
    def arrays(self) -> Iterator[str]:
        yield from super().arrays
        yield from self._later(f"{self.module}.{self.shown.dtype}")

    @property
    def taken(self) -> Iterator[str]:
        moves = ".requires_grad_()" if self.shown.part.trial.x.dtype.kind == "f" else ""
        yield f"x, dout = torch.from_numpy(x){moves}, torch.from_numpy(dout)"

    @property
    def returned(self) -> str:
        return f"{self.field}.detach().numpy()"

    @property
    def field(self) -> str:
        return "out" if self.leaf is None else "got"

    @property
    def got(self) -> str:
        return f"{super().got}.item()"

    def moved(self) -> Iterator[str]:
        yield f"moved = {self.moving}.detach().clone()"
        yield f"moved[{self.shown.place}] += step"
        yield f"return ({self.call('moved')} * dout).sum().item()"
