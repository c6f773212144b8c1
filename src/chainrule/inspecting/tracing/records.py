"""The record of a pass: what each layer took and gave, forward and back, in the order in which it happened.

The steps of a pass are layers one after another and forks, whose branches are steps again. `trace.layers` are all
layers of it, in the order of their numbers.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from attrs import frozen

from chainrule.inspecting.tracing.quantity import Quantity
from chainrule.inspecting.tracing.table import escape, html_table, plain_table


@frozen(eq=False)
class LayerTrace:
    """The record of one layer in a pass.

    Parameters
    ----------
    number
        Its place in the pass, from 1: layers of nested `sequential`s and of branches are counted singly.
    path
        Where its parameters stand: `(2,)` for `params[2]`, `(1, 0)` for `params[1][0]`, `()` for `params`.
    name
        Where the layer comes from, such as `"affine"`.
    params
        Its parameters, an entry for each array.
    x, out
        What went in and what came out.
    cache_bytes
        The memory that is held for its cache alone.
    shared_bytes
        The memory of arrays in its cache that are held anyway: parameters, the caller's `x` where that is read-only,
        and what is in the caches of layers before it.
    forward_operations, backward_operations
        Floating-point operations, as the layer's trait `operations` counts them; None if nobody knows.
    dout, dx
        The derivatives that came back and went on; None if the pass went forward only, and `dx` of an encoder.
    grads
        The derivatives with respect to its parameters, `dW` for `W`; empty if the pass went forward only, and of what
        is fixed.
    """

    number: int
    path: tuple[int, ...]
    name: str
    params: tuple[Quantity, ...]
    x: Quantity
    out: Quantity
    cache_bytes: int
    shared_bytes: int
    forward_operations: int | None
    backward_operations: int | None
    dout: Quantity | None = None
    dx: Quantity | None = None
    grads: tuple[Quantity, ...] = ()

    @property
    def title(self) -> str:
        """Number and name, such as `3 affine`."""
        return f"{self.number} {self.name}"


@frozen(eq=False)
class ForkTrace:
    """Layers beside each other, and the joint of their outputs.

    Parameters
    ----------
    path
        Where the parameters of the whole stand.
    name
        The combinator, such as `"add"`.
    joint
        How the outputs became one, such as `"+"`.
    branches
        The steps of each branch; none where x goes on as it is.
    x, out
        What went into all branches, and what came out of the joint.
    around
        Whether its parameters are those of its one layer, as `residual` has them, and not an entry for each branch.
    cache_bytes, shared_bytes, forward_operations, backward_operations
        Those of the joint alone.
    dout, dx
        The derivative that came back to the joint, and the sum of those that the branches gave.
    """

    path: tuple[int, ...]
    name: str
    joint: str
    branches: "tuple[tuple[Step, ...], ...]"
    x: Quantity
    out: Quantity
    around: bool
    cache_bytes: int
    shared_bytes: int
    forward_operations: int | None
    backward_operations: int | None
    dout: Quantity | None = None
    dx: Quantity | None = None


Step: TypeAlias = LayerTrace | ForkTrace


@frozen(eq=False)
class LossTrace:
    """The record of the loss in a pass.

    Parameters
    ----------
    name
        Where the loss comes from, such as `"softmax_cross_entropy"`.
    targets
        What it compared with, an entry for each array.
    loss
        The number that came out.
    dout
        Its derivative with respect to the output of the network.
    cache_bytes, shared_bytes, forward_operations, backward_operations
        As for `LayerTrace`.
    """

    name: str
    targets: tuple[Quantity, ...]
    loss: Quantity
    dout: Quantity
    cache_bytes: int
    shared_bytes: int
    forward_operations: int | None
    backward_operations: int | None


@frozen(eq=False, repr=False)
class Trace:
    """The record of one pass through a network; `str(trace)` is two tables.

    Parameters
    ----------
    x, out
        What went into the network and what came out.
    steps
        What followed each other, first to last: an entry for each layer, and for each fork.
    loss
        What the loss did; None if there was none.
    dout, dx
        The derivatives with respect to `out` and `x`; None if the pass went forward only, and `dx` where an encoder
        stands first.
    """

    x: Quantity
    out: Quantity
    steps: tuple[Step, ...]
    loss: LossTrace | None = None
    dout: Quantity | None = None
    dx: Quantity | None = None

    @property
    def layers(self) -> tuple[LayerTrace, ...]:
        """An entry for each layer, by its number."""
        return tuple(step for step in _flat(self.steps) if isinstance(step, LayerTrace))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every array of the pass once, in order: what was given, then what was computed, forward and back."""
        seen = [self.x, *(param for layer in self.layers for param in layer.params)]
        if self.loss is not None:
            seen += self.loss.targets
        seen += [step.out for step in _flat(self.steps)]
        if self.loss is not None:
            seen.append(self.loss.loss)
        if self.dout is not None:
            seen.append(self.dout)
        for step in _flat_back(self.steps):
            seen += [*([] if step.dx is None else [step.dx]), *(step.grads if isinstance(step, LayerTrace) else ())]
        return tuple(seen)

    @property
    def first_nonfinite(self) -> Quantity | None:
        """The first array of the pass that holds a nan or an infinite number; None if there is none.

        What the caller gave comes first: `x`, the parameters, the targets; then each output, the loss, and the
        derivatives, last layer first. Its `where` says which layer and field it is, its `index` where in the array.
        """
        return next((quantity for quantity in self.quantities if quantity.nonfinite), None)

    @property
    def cache_bytes(self) -> int:
        """The memory that is held between forward and backward, arrays that caches share counted once."""
        return sum(each.cache_bytes for each in self._costly)

    @property
    def forward_operations(self) -> int | None:
        """Floating-point operations of the whole way forward; None if those of a layer are not known."""
        return _sum(step.forward_operations for step in self._costly)

    @property
    def backward_operations(self) -> int | None:
        """Floating-point operations of the whole way back, the first layer's dx included."""
        return _sum(step.backward_operations for step in self._costly)

    @property
    def _costly(self) -> tuple[Step | LossTrace, ...]:
        return (*_flat(self.steps), *(() if self.loss is None else (self.loss,)))

    def __repr__(self) -> str:
        """The input, the layers and the output."""
        names = ", ".join([*map(_named, self.steps), *([] if self.loss is None else [self.loss.name])])
        return f"Trace({self.x.summary} -> {names or 'nothing'} -> {self._end.summary})"

    def __str__(self) -> str:
        """A table of the layers, a table of the arrays, and what is not finite."""
        of_layers = plain_table(*self._layer_table, left=3)
        of_arrays = plain_table(*self._array_table, left=3)
        return f"{of_layers}\n\n{of_arrays}\n\n{self._verdict}"

    def _repr_html_(self) -> str:
        of_layers = html_table(*self._layer_table, left=3, caption="Layers")
        of_arrays = html_table(*self._array_table, left=3, caption="Arrays, in the order of the pass")
        return f"<div>{of_layers}{of_arrays}<p>{escape(self._verdict)}</p></div>"

    @property
    def _end(self) -> Quantity:
        return self.out if self.loss is None else self.loss.loss

    @property
    def _verdict(self) -> str:
        first = self.first_nonfinite
        return "every number is finite" if first is None else f"the first number that is not finite: {first}"

    @property
    def _layer_table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        head = ("layer", "x", "out", "params", "cache bytes", "shared", "operations", "back")
        rows: list[tuple[str, ...]] = []
        for step in _flat(self.steps):
            if isinstance(step, ForkTrace):
                rows.append((_title(step), step.x.summary, step.out.summary, "", *_costs(step)))
            else:
                count = sum(param.size for param in step.params)
                rows.append((step.title, step.x.summary, step.out.summary, f"{count:,}", *_costs(step)))
        if self.loss is not None:
            rows.append((self.loss.name, self.out.summary, self.loss.loss.summary, "", *_costs(self.loss)))
        count = sum(param.size for layer in self.layers for param in layer.params)
        counts = (_number(self.forward_operations), _number(self.backward_operations))
        rows.append(("all", self.x.summary, self._end.summary, f"{count:,}", f"{self.cache_bytes:,}", "", *counts))
        return head, rows

    @property
    def _array_table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        head = ("from", "array", "", "mean", "std", "min", "max", "zeros", "not finite")
        rows: list[tuple[str, ...]] = []

        def add(source: str, quantities: Iterable[Quantity | None]) -> None:
            for quantity in quantities:
                if quantity is not None:
                    q = quantity
                    numbers = (q.mean, q.std, q.low, q.high)
                    cells = (f"{number:.3g}" for number in numbers)
                    rows.append((source, q.name, q.summary, *cells, f"{q.zeros:.0%}", f"{q.nonfinite:,}"))
                    source = ""

        add("", [self.x])
        for step in _flat(self.steps):
            add(_title(step), [*(step.params if isinstance(step, LayerTrace) else ()), step.out])
        if self.loss is not None:
            add(self.loss.name, [*self.loss.targets, self.loss.loss, self.dout])
        else:
            add("", [self.dout])
        for step in _flat_back(self.steps):
            add(_title(step), [step.dx, *(step.grads if isinstance(step, LayerTrace) else ())])
        return head, rows


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        for branch in step.branches if isinstance(step, ForkTrace) else ():
            yield from _flat(branch)
        yield step


def _flat_back(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in reversed(steps):
        for branch in reversed(step.branches if isinstance(step, ForkTrace) else ()):
            yield from _flat_back(branch)
        yield step


def _title(step: Step) -> str:
    return step.title if isinstance(step, LayerTrace) else step.name


def _named(step: Step) -> str:
    if isinstance(step, LayerTrace):
        return step.name
    inside = [" ".join(map(_named, branch)) for branch in step.branches if branch]
    return f"{step.name}({', '.join(inside)})"


def _costs(step: Step | LossTrace) -> tuple[str, ...]:
    counts = (_number(step.forward_operations), _number(step.backward_operations))
    return (f"{step.cache_bytes:,}", f"{step.shared_bytes:,}", *counts)


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
