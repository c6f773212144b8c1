"""The choices on the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from speed.contender import COMPILED, LIMIT, OURS, ROSTER
from speed.harness import Plan
from speed.problem import SIZES, Size
from speed.threads import ALL, ONE

PARTS = (
    "waterfall",
    "training",
    "numerical",
    "starting",
    "memory",
    "layers",
    "losses",
    "optimizers",
    "networks",
    "passes",
    "peaks",
    "generation",
    "steps",
)
"""The workloads of a whole run, in their order. Each is a module."""

AGAINST = ("versions",)

FULL = Plan(rounds=25, block=0.03, longest=45.0)
QUICK = Plan(rounds=5, block=0.01, longest=3.0)


@frozen
class Options:
    """The workloads, their duration and the contenders of one run."""

    quick: bool
    plan: Plan
    sizes: tuple[Size, ...]
    names: tuple[str, ...]
    threads: tuple[str, ...]
    parts: tuple[str, ...]
    layers: tuple[str, ...]
    add: bool
    data: Path | None
    against: Path | None
    elsewhere: bool
    render: bool

    @property
    def everything(self) -> bool:
        """Nothing is left out: only then are the results those of the documentation."""
        whole = (SIZES, tuple(ROSTER), (ONE, ALL), PARTS, ())
        return not self.quick and (self.sizes, self.names, self.threads, self.parts, self.layers) == whole


def read(arguments: Sequence[str] | None = None) -> Options:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="How fast chainrule is, beside its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, few rounds, no torch.compile: five minutes, and rough"
    )
    parser.add_argument("--sizes", nargs="+", type=_size, metavar="SIZE", help="such as 784-50-10/100")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=ROSTER, help="these, ours and the limit")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), help="what to measure")
    parser.add_argument("--layers", nargs="+", metavar="NAME", default=(), help="of the part `layers`, these alone")
    parser.add_argument("--add", nargs="+", metavar="NAME", help="layers and parts whose rows enter the page's, alone")
    parser.add_argument("--threads", choices=[ONE, ALL], help="one thread, or all (default: both; if quick, one)")
    parser.add_argument("--rounds", type=int, help=f"rounds at most (default: {FULL.rounds})")
    parser.add_argument("--data", type=Path, help="a directory with the files of MNIST, for the training")
    parser.add_argument(
        "--against", type=Path, metavar="TREE", help="old against new, and nothing else: another checkout"
    )
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="on another machine than the page's: what was reached there, and whole networks, for its section",
    )
    parser.add_argument("--render", action="store_true", help="measure nothing; write the page from the results")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    wanted = {LIMIT, OURS, *given.only} if given.only else set(ROSTER) - ({COMPILED} if given.quick else set())
    return Options(
        quick=given.quick,
        plan=evolve(plan, rounds=given.rounds or plan.rounds),
        sizes=tuple(given.sizes or SIZES[: 2 if given.quick else None]),
        names=tuple(name for name in ROSTER if name in wanted),
        threads=(given.threads,) if given.threads else (ONE,) if given.quick else (ONE, ALL),
        parts=_parts_of(given.add) if given.add else tuple(given.parts or (AGAINST if given.against else PARTS)),
        layers=tuple(name for name in given.add or given.layers if name not in PARTS),
        add=bool(given.add),
        data=given.data and given.data.resolve(),
        against=given.against and given.against.resolve(),
        elsewhere=given.elsewhere,
        render=given.render,
    )


def _parts_of(names: Sequence[str]) -> tuple[str, ...]:
    """The parts that are named, and that of the layers if another name is one of theirs."""
    others = {name for name in names if name not in PARTS}
    return tuple(part for part in PARTS if part in names or (part == "layers" and others))


def _size(text: str) -> Size:
    try:
        return Size.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
