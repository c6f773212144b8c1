"""The record of a pass: what each layer took and gave, forward and back, in the order in which it happened."""

from collections.abc import Iterable

from attrs import frozen

from chainrule.inspecting.tracing.quantity import Quantity
from chainrule.inspecting.tracing.table import escape, html_table, plain_table


@frozen(eq=False)
class LayerTrace:
    """One layer's part of a pass.

    Parameters
    ----------
    number
        Its place in the chain, from 1, layers of nested `sequential`s counted singly.
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
        Floating-point operations (see `chainrule.inspecting.tracing.operations`); None if nobody knows.
    dout, dx
        The derivatives that came back and went on; None if the pass went forward only.
    grads
        The derivatives with respect to its parameters, `dW` for `W`; empty if the pass went forward only.
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
class LossTrace:
    """The loss's part of a pass.

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
    layers
        An entry for each layer, first to last.
    loss
        What the loss did; None if there was none.
    dout, dx
        The derivatives with respect to `out` and `x`; None if the pass went forward only.
    """

    x: Quantity
    out: Quantity
    layers: tuple[LayerTrace, ...]
    loss: LossTrace | None = None
    dout: Quantity | None = None
    dx: Quantity | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every array of the pass once, in order: what was given, then what was computed, forward and back."""
        seen = [self.x, *(param for layer in self.layers for param in layer.params)]
        if self.loss is not None:
            seen += self.loss.targets
        seen += [layer.out for layer in self.layers]
        if self.loss is not None:
            seen.append(self.loss.loss)
        if self.dout is not None:
            seen.append(self.dout)
        for layer in reversed(self.layers):
            seen += [*([] if layer.dx is None else [layer.dx]), *layer.grads]
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
        return sum(step.cache_bytes for step in self._steps)

    @property
    def forward_operations(self) -> int | None:
        """Floating-point operations of the whole way forward; None if those of a layer are not known."""
        return _sum(step.forward_operations for step in self._steps)

    @property
    def backward_operations(self) -> int | None:
        """Floating-point operations of the whole way back, the first layer's dx included."""
        return _sum(step.backward_operations for step in self._steps)

    @property
    def _steps(self) -> tuple[LayerTrace | LossTrace, ...]:
        return (*self.layers, *(() if self.loss is None else (self.loss,)))

    def __repr__(self) -> str:
        """The input, the names of the layers, and the output."""
        names = ", ".join(step.name for step in self._steps)
        return f"Trace({self.x.summary} -> {names or 'nothing'} -> {self._end.summary})"

    def __str__(self) -> str:
        """A table of the layers, a table of the arrays, and what is not finite."""
        of_layers = plain_table(*self._layer_table, left=3)
        of_arrays = plain_table(*self._array_table, left=3)
        return f"{of_layers}\n\n{of_arrays}\n\n{self._verdict}"

    def _repr_html_(self) -> str:
        """The same for Jupyter."""
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
        for layer in self.layers:
            count = sum(param.size for param in layer.params)
            rows.append((layer.title, layer.x.summary, layer.out.summary, f"{count:,}", *_costs(layer)))
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
        for layer in self.layers:
            add(layer.title, [*layer.params, layer.out])
        if self.loss is not None:
            add(self.loss.name, [*self.loss.targets, self.loss.loss, self.dout])
        else:
            add("", [self.dout])
        for layer in reversed(self.layers):
            add(layer.title, [layer.dx, *layer.grads])
        return head, rows


def _costs(step: LayerTrace | LossTrace) -> tuple[str, ...]:
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
