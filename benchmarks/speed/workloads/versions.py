"""Old against new: the package of another tree beside that of this one.

Three processes with one thread, two with the old tree and one with the new, take turns. The figure is the median, over
pairs of neighbouring blocks, of the new one's processor time by an old one's. That of the two olds is what the machine
makes of no difference at all.

Processes of one program differ by 1 or 2% for as long as they run, because Linux lays out their memory at random. So it
is asked not to. Another program still has another layout: all is done again with fresh processes and other hashes, and
the worst counts.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ctypes import CDLL
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from speed.harness import Loop, Plan, Row, Spread, race
from speed.options import Options
from speed.page import duration, table
from speed.problem import Problem, Size, constant
from speed.processes import ask, held, process, timer

NOISE = 0.005
"""The largest distance of old against old from 1: beyond it, a run says nothing."""

ADDR_NO_RANDOMIZE = 0x0040000

NEW = Path(__file__).resolve().parents[3]


def fused(library: Any, params: Any, x: Any, labels: Any, rate: float) -> Iterator[Any]:
    """Steps in one call of `training_step`."""
    optimizer = library.sgd(rate)
    step = library.training_step(library.two_layer.network, library.softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    while True:
        params, state, loss = step(params, state, x, labels)
        yield loss


def pairs(library: Any, params: Any, x: Any, labels: Any, rate: float) -> Iterator[Any]:
    """Steps by the public pairs of network and loss, and the optimizer's step."""
    network, of, optimizer = library.two_layer.network, library.softmax_cross_entropy, library.sgd(rate)
    state = optimizer.init(params)
    while True:
        out, caches = network.forward(params, x)
        loss, cache = of.forward(out, labels)
        grads = network.grads(caches, of.backward(cache, 1.0))
        params, state = optimizer.step(state, params, grads)
        yield loss


KINDS = {"training_step": fused, "pairs": pairs}
"""Each by names that all versions have."""


def begin(kind: str, size: Size, tree: Path) -> None:
    """Begin such steps in this process."""
    library: Any = import_module("chainrule")
    place = Path(str(library.__file__)).resolve()
    if tree not in place.parents:
        raise RuntimeError(f"chainrule was imported from {place}, and should be from {tree}")
    problem = Problem.draw(size)
    W1, b1, W2, b2 = map(constant, problem.start)
    params = (library.Affine(W1, b1), (), library.Affine(W2, b2))
    held[kind] = Loop(KINDS[kind](library, params, constant(problem.x), problem.labels, problem.rate))


@contextmanager
def same_layout(seed: int) -> Generator[None]:
    """Processes that start here have the same addresses and hashes, where the system lets us ask for it."""
    libc, variables = CDLL(None), dict(os.environ)
    before = libc.personality(0xFFFFFFFF)
    libc.personality(before | ADDR_NO_RANDOMIZE)
    os.environ["PYTHONHASHSEED"] = str(seed)
    try:
        yield
    finally:
        libc.personality(before)
        os.environ.clear()
        os.environ.update(variables)


def measure(options: Options) -> Iterator[Row]:
    """A row for each start, size and kind of step."""
    if options.against is None:
        raise ValueError("old against new needs --against DIRECTORY")
    plan = Plan(rounds=150 if options.quick else 300, block=0.004, before=0.002, alike=True)
    for number in range(1 if options.quick else 5):
        for size in options.sizes:
            with same_layout(number):
                yield from start(size, options.against.resolve(), plan)


def start(size: Size, old: Path, plan: Plan) -> Iterator[Row]:
    """Start three processes, and compare them: a row for each kind of step."""
    trees = {"old": old, "new": NEW, "again": old}
    with ExitStack() as stack:
        children = {name: stack.enter_context(process(tree=tree)) for name, tree in trees.items()}
        for kind in KINDS:
            for name, child in children.items():
                ask(child, begin, kind, size, trees[name])
            took = race({name: timer(child, kind) for name, child in children.items()}, plan)
            olds, news, agains = ([each.cpu for each in took[name]] for name in trees)
            yield {
                "kind": kind,
                "size": str(size),
                "pairs": 2 * len(olds),
                "old": Spread.of(olds + agains).median,
                "new": Spread.of(news).median,
                "ratio": Spread.of_ratios(news + news, olds + agains).median,
                "noise": Spread.of_ratios(agains, olds).median - 1,
            }


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A line for each kind and size: over the starts, the median, the worst, and the most that is noise."""
    lines: list[list[str]] = []
    for kind, size in sorted(
        {(row["kind"], row["size"]): None for row in rows}, key=lambda case: case[0], reverse=True
    ):
        starts = [row for row in rows if (row["kind"], row["size"]) == (kind, size)]
        ratios, noise = [row["ratio"] for row in starts], max(abs(row["noise"]) for row in starts)
        old, new = (duration(median(row[tree] for row in starts)) for tree in ("old", "new"))
        doubt = "" if noise <= NOISE else " **too much**"
        lines.append([kind, size, old, new, f"{median(ratios):.3f}", f"{max(ratios):.3f}", f"{noise:.1%}{doubt}"])
    head = ["step", "size", "old", "new", "new / old", "worst start", "old / old, off 1"]
    return {"versions": table(head, lines, text=2)}
