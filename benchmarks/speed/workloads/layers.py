"""Layers one by one: forward and backward of ours beside torch's and JAX's, in float32, in one process with one thread.

A layer is a line of a file in `speed.layers`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
from attrs import asdict
from numpy.typing import NDArray

import speed.layers
from chainrule import Encoder, read_only, tree
from speed.contender import JAX, OURS, TORCH
from speed.goals import of_torch
from speed.harness import Loop, Plan, Row, Spread, calls, race
from speed.line import STAY, Line, Move
from speed.options import Options
from speed.page import duration, failures, ratio, table
from speed.problem import Floats, largest
from speed.processes import ask, process

TOLERANCE = 1e-5

LINES: dict[str, Line] = {
    name: line
    for family in iter_modules(speed.layers.__path__, "speed.layers.")
    for name, line in import_module(family.name).LINES.items()
}


def ours(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """The public pair."""
    back = line.layer.grads if isinstance(line.layer, Encoder) else line.layer.backward

    def both() -> Any:
        out, cache = line.layer.forward(params, x)
        return out, tree.leaves(back(cache, dout))

    return calls(both)


def in_torch(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """Eager, on arrays in its own layout; what it gives is moved back when it is read."""
    torch: Any = import_module("torch")
    function, arrays = line.torch(torch), [x, *tree.leaves(params)]
    moves: list[Move] = [*line.moves, *[STAY] * (len(arrays) - len(line.moves))]
    last, *arguments = (
        torch.from_numpy(np.moveaxis(array, *move).copy())
        for array, move in zip([dout, *arrays], [moves[0], *moves], strict=True)
    )
    fixed = isinstance(line.layer, Encoder)
    leaves = [tensor.requires_grad_() for tensor in arguments[fixed:]]

    def both() -> Any:
        out = function(*arguments)
        return out, torch.autograd.grad(out, leaves, last)

    def read(item: Any) -> Any:
        out, *gradients = (
            np.moveaxis(tensor.detach().numpy(), to, axes)
            for tensor, (axes, to) in zip([item[0], *item[1]], [moves[0], *moves[fixed:]], strict=True)
        )
        return out, gradients

    return calls(both, read=read)


def in_jax(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """Compiled."""
    jax: Any = import_module("jax")

    def both(dout: Any, x: Any, *leaves: Any) -> Any:
        if isinstance(line.layer, Encoder):
            out, backward = jax.vjp(partial(line.jax(jax), x), *leaves)
        else:
            out, backward = jax.vjp(line.jax(jax), x, *leaves)
        return out, backward(dout)

    arrays = [jax.numpy.array(leaf) for leaf in (dout, x, *tree.leaves(params))]
    return calls(jax.jit(both), *arrays, ready=jax.block_until_ready)


CONTENDERS = {OURS: ours, TORCH: in_torch, JAX: in_jax}


def measure(options: Options) -> Iterator[Row]:
    """A row for each layer, size and contender."""
    with process() as child:
        for name in options.layers or LINES:
            for size in LINES[name].sizes[: 1 if options.quick else None]:
                yield from ask(child, compare, name, size, options.plan)


def compare(name: str, size: tuple[int, ...], plan: Plan) -> list[Row]:
    """Those who agree with us take turns."""
    rng, line = np.random.default_rng(0), LINES[name]
    x, params = read_only(line.x(rng, size)), line.params(rng, size[-1])
    dout = read_only(rng.standard_normal(line.layer.forward(params, x)[0].shape, np.float32))
    makers = {contender: partial(begun, make, line, params, x, dout) for contender, make in CONTENDERS.items()}
    return raced({"layer": name, "size": " × ".join(map(str, size))}, makers, plan)


def begun(make: Callable[..., Loop], line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """The loop of a contender, of which that is read which must agree."""
    loop = make(line, params, x, dout)
    return Loop(loop.items, loop.ready, lambda item: line.settled(x, dout, *loop.read(item)))


def raced(case: Row, makers: Mapping[str, Callable[[], Loop]], plan: Plan) -> list[Row]:
    """A row for each contender in a case. Those whose results are ours take turns."""
    rows: dict[str, Row] = {}
    loops: dict[str, Loop] = {}
    right: list[NDArray[Any]] = []
    for contender, make in makers.items():
        rows[contender] = case | {"contender": contender}
        try:
            loop = make()
            out, gradients = loop(1)
        except (ImportError, RuntimeError) as error:  # torch's, which has nothing to compile with
            rows[contender]["failure"] = f"{type(error).__name__}: {error}".partition("\n")[0]
            continue
        found = [np.asarray(array) for array in (out, *gradients)]
        right = right or found
        difference = largest(list(zip(found, right, strict=True)))
        if difference <= TOLERANCE:
            loops[contender] = loop
        else:
            rows[contender]["failure"] = f"its results differ by {difference:.1e} of ours"
    took = race({contender: loop.time for contender, loop in loops.items()}, plan)
    walls = {contender: [each.wall for each in blocks] for contender, blocks in took.items()}
    for contender, wall in walls.items():
        rows[contender] |= {"seconds": asdict(Spread.of(wall))}
        rows[contender] |= {"ours_to_it": asdict(Spread.of_ratios(walls[OURS], wall))}
    return list(rows.values())


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The table of the layers."""
    return {"layers": compared("layer", rows)}


def compared(kind: str, rows: Sequence[Row], what: str = "x") -> str:
    """A line for each thing of a kind and size: times, what ours takes of others', and what it should of torch's."""
    cases: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        cases.setdefault((row[kind], row["size"]), {})[row["contender"]] = row
    others = [name for name in dict.fromkeys(row["contender"] for row in rows) if name != OURS]
    head = [kind, what, OURS]
    for name in others:
        head += [name, f"ours, of {name}", *["goal"] * (name == TORCH)]
    lines: list[list[str]] = []
    for case, found in cases.items():
        line = [*case, duration(found[OURS]["seconds"]["median"])]
        for name in others:
            goal = [aim(of_torch(kind, *case))] if name == TORCH else []
            row = found.get(name, {})
            if "seconds" in row:
                line += [duration(row["seconds"]["median"]), ratio(row["ours_to_it"]["median"]), *goal]
            else:
                line += ["", "", *goal]
        lines.append(line)
    return "\n\n".join([table(head, lines, text=2), *dict.fromkeys(failures(rows))])


def aim(goal: float | None) -> str:
    """A goal in the table."""
    return "" if goal is None else f"{goal:g}"
