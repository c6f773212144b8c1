"""What can be chosen on the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from speed.clock import Plan
from speed.roster import ENTRIES, LIMIT, OURS
from speed.size import SIZES, Size
from speed.threads import ALL, ONE

PARTS = ("waterfall", "training", "numerical", "startup", "memory", "steps", "predictions")

FULL = Plan(rounds=25, block=0.03, longest=45.0)
QUICK = Plan(rounds=5, block=0.01, longest=3.0)


@frozen
class Options:
    """What is measured, how long, and where the results go."""

    plan: Plan
    sizes: tuple[Size, ...]
    names: tuple[str, ...]
    threads: tuple[str, ...]
    parts: tuple[str, ...]
    data: Path | None
    render: bool
    quick: bool
    against: Path | None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out: only then are the results those of the documentation."""
        return (
            not self.quick
            and (self.sizes, self.parts, self.threads) == (SIZES, PARTS, (ONE, ALL))
            and set(self.names) == set(ENTRIES)
        )


def read(arguments: Sequence[str] | None = None) -> Options:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="How fast chainrule is, beside its peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: a minute, and rough")
    parser.add_argument("--sizes", nargs="+", type=_size, metavar="SIZE", help="such as 784-50-10/100")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(ENTRIES), help="these, ours and the limit")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--threads", choices=[ONE, ALL], help="one thread, or all (default: both; if quick, one)")
    parser.add_argument("--rounds", type=int, help=f"rounds at most (default: {FULL.rounds})")
    parser.add_argument("--data", type=Path, help="a directory with the files of MNIST, for the training")
    parser.add_argument("--render", action="store_true", help="measure nothing; write the page from the results")
    parser.add_argument("--against", type=Path, help="a tree with another version: old against new, and nothing else")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    if given.rounds:
        plan = Plan(given.rounds, plan.block, plan.longest)
    sizes: tuple[Size, ...] = SIZES[:2] if given.quick else SIZES
    if given.sizes:
        sizes = tuple(given.sizes)
    asked = {LIMIT, OURS, *given.only} if given.only else set(ENTRIES)
    return Options(
        plan,
        sizes,
        tuple(name for name in ENTRIES if name in asked),
        (given.threads,) if given.threads else (ONE,) if given.quick else (ONE, ALL),
        tuple(given.parts),
        given.data,
        given.render,
        given.quick,
        given.against,
    )


def _size(text: str) -> Size:
    try:
        return Size.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
