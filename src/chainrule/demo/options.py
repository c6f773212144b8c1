"""The demo's options, and how a command line becomes them."""

import argparse
import math
import reprlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from attrs import frozen

from chainrule.demo.errors import UsageError
from chainrule.demo.networks import NETWORKS

Number = TypeVar("Number", int, float)

MOST = 2**63 - 1
"""The largest integer of NumPy: steps and batches are counted with it."""

EPILOG = """\
exit status: 0 all is well; 1 a gradient is wrong, or training diverged; 2 options, files or packages do not allow it;
130 interrupted; 141 nobody reads the output any more. `python -m chainrule check` checks a layer of your own instead
"""


@frozen
class Defaults:
    """The options of training where the user gives none."""

    hidden: int
    batch: int
    rate: float


FOLDER = Defaults(hidden=50, batch=100, rate=0.1)
BUILT_IN = Defaults(hidden=100, batch=5, rate=0.45)
"""For the digits that come along: they are few, and smooth descent learns them by heart where noisy steps do not."""


@frozen
class Options:
    """The options of one run.

    `data` is a folder of IDX files, or None for the digits that come along; `activation` a name in `NETWORKS`;
    `picture` the file to write, if any. A quiet run says only the results.
    """

    data: Path | None
    hidden: int
    activation: str
    steps: int
    batch: int
    rate: float
    seed: int
    picture: Path | None
    quiet: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read a command line; by default that of the process.

    An unknown option, or a value out of bounds, is a UsageError.
    """
    given = _parser().parse_args(arguments)
    default = BUILT_IN if given.data is None else FOLDER
    return Options(
        data=None if given.data is None else Path(given.data),
        hidden=given.hidden or default.hidden,
        activation=given.activation,
        steps=given.steps,
        batch=given.batch or default.batch,
        rate=given.rate or default.rate,
        seed=given.seed,
        picture=Path(given.picture) if given.picture else None,
        quiet=given.quiet,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line: the usage is a page, which `--help` has."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if sys.stdout is not None:  # it is None if the process was started without one
            sys.stdout.flush()  # here, and not as Python exits, a closed pipe can be handled
        super().exit(status, message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m chainrule",
        description="Train a two-layer network on pictures of digits, prove its gradients, and draw what it learned.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    count = _number(int, 1, MOST)
    add = parser.add_argument
    add("--data", metavar="DIRECTORY", help="a folder of MNIST-format IDX files (default: the digits that come along)")
    add(
        "--hidden",
        metavar="N",
        type=_number(int, 1),
        help=f"hidden units {_defaults('hidden')}; with 1,000 the proof takes minutes",
    )
    add(
        "--activation",
        choices=NETWORKS,
        default="relu",
        help="of the hidden units (default: %(default)s); weights begin with standard deviation 0.01 for relu and "
        "1 / sqrt(inputs) for sigmoid, which learns slowly from smaller ones (and with --data better at --rate 0.5)",
    )
    add("--steps", metavar="N", type=count, default=10_000, help="training steps (default: %(default)s)")
    add("--batch", metavar="N", type=count, help=f"examples a step {_defaults('batch')}")
    add(
        "--rate",
        metavar="RATE",
        type=_number(float, 0, sys.float_info.max, exclusive=True),
        help=f"learning rate {_defaults('rate')}",
    )
    add("--seed", metavar="N", type=_number(int, 0), default=0, help="of all random numbers (default: %(default)s)")
    add("--picture", metavar="FILE", default="chainrule.png", help="the PNG file to draw (default: %(default)s)")
    add("--no-picture", dest="picture", action="store_const", const="", help="draw nothing")
    add("--quiet", action="store_true", help="say the results only")
    return parser


def _defaults(name: str) -> str:
    return f"(default: {getattr(BUILT_IN, name)}; with --data {getattr(FOLDER, name)})"


def _number(
    kind: Callable[[str], Number], least: float, most: float = math.inf, *, exclusive: bool = False
) -> Callable[[str], Number]:
    def read(word: str) -> Number:
        try:
            value = kind(word)
        except ValueError:
            value = None
        if value is None or not (value > least if exclusive else value >= least) or value > most:
            noun = "an integer" if kind is int else "a number"
            bound = f"{'>' if exclusive else '>='} {least}"
            if most == MOST and len(word) >= len(str(MOST)):  # Python itself refuses to read some thousand digits
                bound += " and < 2**63"
            raise argparse.ArgumentTypeError(f"must be {noun} {bound}, got {reprlib.repr(word)}")
        return value

    return read
