"""Probes: the values of a function as its parameters are moved one entry at a time.

    probe(entries, steps) -> values

Value i is that of f with entry i of one array moved by step i, and all else as it was.

Numerical differentiation needs nothing else of a function. Most functions are called once for each value. An
`Objective` shows its layers: a moved parameter leaves the layers before it as they are, and moves the output of an
affine layer by a known rank-one step. So the outputs of many moves are stacked into one large batch, and only the
layers behind are run.

A weight W[i, j] moves column j alone, also behind elementwise layers. Up to the next affine layer only that column is
run. There its change, times row j of the weights, is added to the output before the move.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a, is_branch
from chainrule.arrays.types import Array, is_array
from chainrule.checking.complex_step import lift
from chainrule.layer import Layer
from chainrule.layers.affine import affine
from chainrule.parts import Chain
from chainrule.rules.combinators import counted
from chainrule.training.objective import Objective

P = TypeVar("P")

Entries: TypeAlias = NDArray[np.intp]
Steps: TypeAlias = NDArray[Any]
Probe: TypeAlias = Callable[[Entries, Steps], NDArray[Any]]
Moved: TypeAlias = Callable[["_Site", Entries, Steps], Array]
"""A function that gives a stack of outputs, one for each move."""

Link: TypeAlias = tuple[Layer[Any, Any], Any]
"""A layer of a chain, and its parameters."""

CHUNK, CHUNKS = 2**17, 2**18
"""Bytes in a stack of moved outputs: a cache holds some of them, and the allocator keeps them from use to use. Where
outputs are large, `CHUNKS` for up to `TOGETHER` of them, so that calls are few."""

TOGETHER = 64


def black_box(f: Callable[[P], object], params: P) -> list[Probe]:
    """Make a probe for each array of the parameters, in the order of `tree.leaves`: it calls the function on copies."""
    return [partial(_called, f, params, i) for i in range(len(tree.leaves(params)))]


def along(f: Callable[[P], object], params: P, direction: P) -> Probe:
    """Make a probe of a function along a line, `f(params + step * direction)`; its only entry is 0."""
    return partial(_along, f, params, direction)


def by_structure(objective: Objective[P, Any], params: P) -> list[Probe]:
    """Make a probe for each array of the parameters, in the order of `tree.leaves`: it runs only the layers behind it.

    Encoders, layers and losses that couple rows, and targets without an entry for each row get probes that call the
    objective.
    """
    network: Any = objective.network
    alone = is_a(network, Layer) and not (network.couples_rows or objective.loss.couples_rows)
    stacks = alone and is_array(objective.x) and (is_array(objective.targets) or is_branch(objective.targets))
    if not stacks or not _of_rows(objective.targets, objective.x.shape[:1]):
        return black_box(objective, params)
    probes: list[Probe] = []
    x: Any = objective.x  # floats, since no encoder is before it
    chain = _chain(network, params)
    for i, (layer, own) in enumerate(chain):
        out = layer.forward(own, x)[0]
        tail = _Tail(tuple(chain[i + 1 :]), objective)
        probes += [_probe(_Site(layer, own, k, x, out, tail)) for k in range(len(tree.leaves(own)))]
        x = out
    return probes


def _of_rows(targets: object, rows: tuple[int, ...]) -> bool:
    """Tell whether targets have an entry for each row, so that they can be stacked along with the rows."""
    return all(leaf.shape[:1] == rows for leaf in tree.leaves(targets))


def _called(f: Callable[[P], object], params: P, which: int, entries: Entries, steps: Steps) -> NDArray[Any]:
    move = _moves(params, which, np.iscomplexobj(steps))
    return np.array([_number(f(move(entry, step)), step) for entry, step in zip(entries, steps, strict=True)])


def _along(f: Callable[[P], object], params: P, direction: P, entries: Entries, steps: Steps) -> NDArray[Any]:
    def at(step: complex) -> P:
        return tree.map(partial(_on_the_line, step), params, direction)

    return np.array([_number(f(at(step)), step, "directional_derivative") for step in steps.tolist()])


def _on_the_line(step: complex, start: Array, direction: Array) -> Array:
    if isinstance(step, complex):
        start, direction = lift(start), lift(direction)
    moved: Array = start + np.multiply(step, direction)
    return moved


def _moves(params: P, which: int, is_complex: bool) -> Callable[[int, complex], P]:
    """A function from an entry of array `which` and a step to a tree with that entry moved, in one working copy."""
    copies = tree.map(lift if is_complex else np.copy, params)
    work = tree.leaves(copies)[which]
    original = work.copy()
    last = 0

    def move(entry: int, step: complex) -> P:
        nonlocal last
        work.flags.writeable = True
        work.flat[last] = original.flat[last]
        work.flat[entry] = original.flat[entry] + step
        work.flags.writeable = False
        last = entry
        return copies

    return move


def _number(value: Any, step: complex, caller: str = "numerical_gradient") -> Any:
    """The value of a function as a number, in the precision that it has, which decides about the steps."""
    if getattr(value, "shape", ()) != () or not hasattr(value, "real"):
        raise TypeError(f"{caller}: f must return one number, got {describe(value)}")
    if isinstance(step, complex) and not np.iscomplexobj(value):
        raise TypeError(
            f"{caller}: f returned a real number for complex parameters, so part of it is not analytic: "
            "use method='central'"
        )
    dtype = getattr(value, "dtype", None)
    if isinstance(step, complex):
        return value if dtype == np.clongdouble else complex(value)
    return np.asarray(value)[()] if isinstance(dtype, np.dtype) and dtype.kind == "f" else float(value)


def _chain(network: Layer[Any, Any], params: Any) -> list[Link]:
    parts = network.parts
    if not isinstance(parts, Chain):
        return [(network, params)]
    counted(network.name or "sequential", "params", params, len(parts.layers))
    return [link for layer, own in zip(parts.layers, params, strict=True) for link in _chain(layer, own)]


def _repeated(times: int, rows: Array) -> Array:
    return np.broadcast_to(rows, (times, *rows.shape)).reshape(times * rows.shape[0], *rows.shape[1:])


@frozen(eq=False)
class _Tail:
    links: tuple[Link, ...]
    objective: Objective[Any, Any]

    def __call__(self, stack: Array) -> NDArray[Any]:
        """The loss of each of the batches in a stack (moves, n, ...): (moves,)."""
        moves, n = stack.shape[:2]
        out = stack.reshape(moves * n, *stack.shape[2:])
        for layer, own in self.links:
            out = layer.forward(own, out)[0]
        targets = tree.map(partial(_repeated, moves), self.objective.targets)
        losses: NDArray[Any] = np.asarray(self.objective.loss.rows(out, targets)).reshape(moves, -1)
        means: NDArray[Any] = losses.mean(axis=1)
        return means


@frozen(eq=False)
class _Site:
    layer: Layer[Any, Any]
    params: object
    k: int
    x: Array
    out: Array
    tail: _Tail


def _probe(site: _Site) -> Probe:
    if site.layer is not affine or site.out.ndim != 2:
        return partial(_stacked, site, _moved_by_calls, site.out.size, site.tail)
    between: list[Link] = []
    out = site.out
    for i, (layer, own) in enumerate(site.tail.links):
        if layer is affine:
            after = layer.forward(own, out)[0]
            moved = partial(_moved_two, tuple(between), out, own.W, after)
            return partial(_stacked, site, moved, after.size, evolve(site.tail, links=site.tail.links[i + 1 :]))
        if not layer.elementwise:
            break
        between.append((layer, own))
        out = layer.forward(own, out)[0]
    return partial(_stacked, site, _moved_one, site.out.size, site.tail)


def _stacked(site: _Site, moved: Moved, size: int, tail: _Tail, entries: Entries, steps: Steps) -> NDArray[Any]:
    each = max(1, size * steps.itemsize)
    at_once = max(1, CHUNK // each, min(TOGETHER, CHUNKS // each))
    values = np.empty(len(entries), np.result_type(steps, site.out))
    for start in range(0, len(entries), at_once):
        some = slice(start, start + at_once)
        values[some] = tail(moved(site, entries[some], steps[some]))
    return values


def _column(site: _Site, entries: Entries, steps: Steps) -> tuple[Entries, Array]:
    """Which column of an affine layer's output each move changes, and that column: W[i, j] + h adds h x[:, i] to it."""
    row, column = np.divmod(entries, site.out.shape[1])  # of W; b has its columns alone
    nudge = steps[:, None] * (site.x.T[row] if site.k == 0 else 1)
    return column, site.out.T[column] + nudge  # (moves, n)


def _moved_one(site: _Site, entries: Entries, steps: Steps) -> Array:
    stack = _copies(site.out, steps)
    column, moved = _column(site, entries, steps)
    moves, rows = np.ogrid[: moved.shape[0], : moved.shape[1]]
    stack[moves, rows, column[:, None]] = moved
    return stack


def _moved_two(
    between: tuple[Link, ...], x: Array, W: Array, out: Array, site: _Site, entries: Entries, steps: Steps
) -> Array:
    """The outputs of the affine layer behind that one, moved: its input is x at rest and its output out."""
    column, moved = _column(site, entries, steps)
    if np.iscomplexobj(moved):
        moved = lift(moved)
    for layer, own in between:
        moved = layer.forward(own, moved)[0]
    change = moved - x.T[column]
    stack: Array = change[:, :, None] * W[column][:, None, :]
    stack += out
    return stack


def _moved_by_calls(site: _Site, entries: Entries, steps: Steps) -> Array:
    move = _moves(site.params, site.k, np.iscomplexobj(steps))
    stack = _copies(site.out, steps)
    for i, (entry, step) in enumerate(zip(entries, steps, strict=True)):
        stack[i] = site.layer.forward(move(entry, step), site.x)[0]
    return stack


def _copies(out: Array, steps: Steps) -> Array:
    """(moves, *out.shape): copies that may carry the steps."""
    stack = np.repeat(out[None], len(steps), axis=0)
    return lift(stack) if np.iscomplexobj(steps) else stack
