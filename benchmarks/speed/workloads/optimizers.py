"""Steps of optimizers beside torch's, of a million parameters in float32, in one process with one thread.

Ours give new arrays, torch's overwrite. An optimizer is a line of `LINES`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from attrs import asdict, frozen

from chainrule import adagrad, adam, adamw, clip_by_global_norm, lion, read_only, rmsprop, sgd
from chainrule.rules.optimizers import ArrayOptimizer
from speed.contender import OURS, TORCH
from speed.harness import Loop, Plan, Row, Spread, race
from speed.options import Options
from speed.problem import Floats, largest
from speed.processes import ask, process
from speed.workloads.layers import compared

SIZES = ((1000, 1000), (64, 32))
TOLERANCE = 1e-5
MOST = 1.0
"""The norm that gradients are clipped to; theirs is larger."""

Results: TypeAlias = Iterator[Any]
"""The parameters after one step after another, or gradients that were clipped."""


@frozen
class Line:
    """The work on a parameter and its gradient, in ours and in a module of torch, if it has the same."""

    ours: Callable[[Floats, Floats], Results]
    torch: Callable[[Any, Any], Results] | None


def stepped(optimizer: ArrayOptimizer) -> Callable[[Floats, Floats], Results]:
    """Steps of an optimizer of ours."""
    return partial(_stepped, optimizer)


def _stepped(optimizer: ArrayOptimizer, params: Floats, grads: Floats) -> Results:
    state = optimizer.init(params)
    while True:
        params, state = optimizer.step(state, params, grads)
        yield params


def of_torch(name: str, **options: Any) -> Callable[[Any, Any], Results]:
    """Steps of an optimizer of torch, in its form for many arrays at once."""
    return partial(_of_torch, name, options)


def _of_torch(name: str, options: dict[str, Any], torch: Any, param: Any) -> Results:
    optimizer = getattr(torch.optim, name)([param], foreach=True, **options)
    while True:
        optimizer.step()
        yield param.detach()


def clipped(params: Floats, grads: Floats) -> Results:
    """The same gradients, clipped again and again."""
    clip = clip_by_global_norm(MOST)
    while True:
        yield clip(grads)


def clipped_by_torch(torch: Any, param: Any) -> Results:
    """It multiplies by a factor each time, which is 1 after the first."""
    while True:
        torch.nn.utils.clip_grad_norm_([param], MOST, foreach=True)
        yield param.grad


LINES = {
    "sgd": Line(stepped(sgd(0.1)), of_torch("SGD", lr=0.1)),
    "sgd with momentum": Line(stepped(sgd(0.1, momentum=0.9)), of_torch("SGD", lr=0.1, momentum=0.9)),
    "adam": Line(stepped(adam(0.01)), of_torch("Adam", lr=0.01)),
    "adamw": Line(stepped(adamw(0.01)), of_torch("AdamW", lr=0.01)),
    "rmsprop": Line(stepped(rmsprop(0.01)), of_torch("RMSprop", lr=0.01)),
    "adagrad": Line(stepped(adagrad(0.01)), of_torch("Adagrad", lr=0.01)),
    "lion": Line(stepped(lion(0.01, weight_decay=0.1)), None),
    "clip_by_global_norm": Line(clipped, clipped_by_torch),
}


def measure(options: Options) -> Iterator[Row]:
    """A row for each optimizer, size and contender."""
    with process() as child:
        for name in LINES:
            for size in SIZES[-1:] if options.quick else SIZES:
                yield from ask(child, compare, name, size, options.plan)


def compare(name: str, size: tuple[int, int], plan: Plan) -> list[Row]:
    """Ours and torch's take turns, if they agree."""
    line, rng = LINES[name], np.random.default_rng(0)
    param, grad = (read_only(rng.standard_normal(size, np.float32)) for _ in range(2))
    row: Row = {"optimizer": name, "size": f"{size[0]} \N{MULTIPLICATION SIGN} {size[1]}"}
    rows: list[Row] = [row | {"contender": OURS}]
    loops = {OURS: Loop(line.ours(param, grad))}
    if line.torch is not None:
        rows.append(row | {"contender": TORCH})
        try:
            torch: Any = import_module("torch")
            theirs = torch.tensor(param, requires_grad=True)
            theirs.grad = torch.tensor(grad)
            loop = Loop(line.torch(torch, theirs))
            difference = largest([(np.asarray(loops[OURS](1)), loop(1).numpy())])
            if difference <= TOLERANCE:
                loops[TORCH] = loop
            else:
                rows[-1]["failure"] = f"its results differ by {difference:.1e} of ours"
        except ImportError as error:
            rows[-1]["failure"] = f"{type(error).__name__}: {error}"
    took = race({contender: loop.time for contender, loop in loops.items()}, plan)
    walls = {contender: [each.wall for each in blocks] for contender, blocks in took.items()}
    for found in rows:
        if (wall := walls.get(found["contender"])) is not None:
            found |= {"seconds": asdict(Spread.of(wall)), "ours_to_it": asdict(Spread.of_ratios(walls[OURS], wall))}
    return rows


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The table of the optimizers."""
    return {"optimizers": compared("optimizer", rows, "parameters")}
