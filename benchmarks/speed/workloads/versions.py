"""Old against new: the package of another tree beside that of this one.

Three processes with one thread, two with the old tree and one with the new, take turns. The figure is the median, over
pairs of neighbouring blocks, of the new one's processor time by an old one's. That of the two olds is what the machine
makes of no difference at all. Processes differ, so that all is done again with fresh ones, and the worst counts.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from speed.harness import Loop, Plan, Spread, hold, race, timer
from speed.problem import Problem
from speed.processes import process
from speed.quantity import duration
from speed.size import Size
from speed.table import table

NOISE = 0.005
"""How far old against old may be from 1: beyond it, a run says nothing."""

ROOT = Path(__file__).resolve().parents[3]


class Steps:
    """Training steps by names that both trees have, fused or as plain pairs."""

    def __init__(self, size: Size, tree: Path) -> None:
        self.library: Any = import_module("chainrule")
        place = Path(str(self.library.__file__)).resolve()
        if tree.resolve() not in place.parents:
            raise RuntimeError(f"chainrule was imported from {place}, and should be from {tree}")
        problem = Problem.draw(size)
        W1, b1, W2, b2 = map(self.library.read_only, problem.start)
        self.params: Any = (self.library.Affine(W1, b1), (), self.library.Affine(W2, b2))
        self.x, self.labels = self.library.read_only(problem.x), problem.labels
        self.network, self.loss = self.library.two_layer.network, self.library.softmax_cross_entropy
        self.optimizer = self.library.sgd(0.01)

    def fused(self) -> Iterator[Any]:
        """In one call of `training_step`."""
        step = self.library.training_step(self.network, self.loss, self.optimizer)
        params, state = self.params, self.optimizer.init(self.params)
        while True:
            params, state, loss = step(params, state, self.x, self.labels)
            yield loss

    def pairs(self) -> Iterator[Any]:
        """By the public pairs of network and loss, and the optimizer's step."""
        params, state = self.params, self.optimizer.init(self.params)
        while True:
            out, caches = self.network.forward(params, self.x)
            loss, cache = self.loss.forward(out, self.labels)
            dout = self.loss.backward(cache, 1.0)
            params, state = self.optimizer.step(state, params, self.network.grads(caches, dout))
            yield loss


KINDS = {"training_step": Steps.fused, "pairs": Steps.pairs}


def begin(kind: str, size: Size, tree: Path) -> Loop:
    """Begin such steps in this process."""
    return Loop(KINDS[kind](Steps(size, tree)))


def start(size: Size, against: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    """Start three processes, and compare them: a row for each kind of step."""
    with process(tree=against) as old, process(tree=ROOT) as new, process(tree=against) as again:
        trees = {"old": (old, against), "new": (new, ROOT), "again": (again, against)}
        for kind in KINDS:
            for child, tree in trees.values():
                child.submit(hold, kind, begin, kind, size, tree).result()
            took = race({name: timer(child, kind) for name, (child, _) in trees.items()}, plan)
            olds, news, agains = ([each.cpu for each in took[name]] for name in ("old", "new", "again"))
            yield {
                "kind": kind,
                "size": str(size),
                "pairs": 2 * len(olds),
                "old": Spread.of(olds + agains).median,
                "new": Spread.of(news).median,
                "ratio": Spread.of_ratios(news + news, olds + agains).median,
                "noise": Spread.of_ratios(agains, olds).median - 1,
            }


def measure(sizes: Iterable[Size], against: Path, quick: bool) -> Iterator[dict[str, Any]]:
    """A row for each kind of step, size and start."""
    plan = Plan(rounds=150 if quick else 300, block=0.004, before=0.002, alike=True)
    for size in sizes:
        for number in range(1 if quick else 5):
            for row in start(size, against, plan):
                yield row | {"start": number}


def written(rows: Iterable[dict[str, Any]]) -> str:
    """A line for each size and kind: over the starts, the median, the worst, and the most that is noise."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["size"]), []).append(row)
    lines: list[list[str]] = []
    for (kind, size), starts in groups.items():
        ratios, noise = [row["ratio"] for row in starts], max(abs(row["noise"]) for row in starts)
        old, new = (duration(median(row[tree] for row in starts)) for tree in ("old", "new"))
        doubt = "" if noise <= NOISE else " **too much**"
        lines.append([kind, size, old, new, f"{median(ratios):.3f}", f"{max(ratios):.3f}", f"{noise:.1%}{doubt}"])
    return table(["step", "size", "old", "new", "new / old", "worst start", "old / old, off 1"], lines, text=2)
