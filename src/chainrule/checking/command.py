"""`python -m chainrule check package.module:name`: check what a function makes, from the shell.

    python -m chainrule check mylayers:scale_case --seed 3 --json

The name stands for a function without arguments, or for a value. It gives one of

    (layer, params, x)
    (loss, out, targets)
    (network, loss, params, x, targets)
    (optimizer, params, grads)
    (kernel, formula, x, *params)

**To remember:** the exit status is 0 if every law holds, 1 if one does not, and 3 if none is broken but one could not
tell.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from chainrule.arrays.arguments import describe
from chainrule.arrays.types import is_tuple
from chainrule.checking.against import check_against
from chainrule.checking.each_law import CASES, checker
from chainrule.checking.effort import EFFORTS
from chainrule.checking.report import Report
from chainrule.layer import Layer
from chainrule.loss import Loss

OK, WRONG, USAGE, UNDECIDED, INTERRUPTED, UNREAD = 0, 1, 2, 3, 130, 141
"""The exit statuses."""

EVERY_CASE = (*CASES, "(kernel, formula, x, *params)")
"""The things that a name may give."""

EPILOG = """\
exit status: 0 every law holds; 1 a law does not hold; 2 nothing could be checked: the name, or what it gives, does not
allow it; 3 no law is broken, but one could not tell; 130 interrupted; 141 nobody reads the output any more
"""


class CommandError(Exception):
    """The command line, or what it names, does not allow it: the message is one line.

    Examples
    --------
    >>> from chainrule.checking.command import main
    >>> main(["no-colon"])  # on standard error: expected MODULE:NAME, such as mylayers:scale_case, got 'no-colon'
    2
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names, print the report, and return the exit status.

    Parameters
    ----------
    arguments
        The words after `python -m chainrule check`; by default those of the process.

    Returns
    -------
    int
        0 if every law holds, 1 if one does not, 2 if nothing could be checked, 3 if no law is broken but one could not
        tell, 130 if it is interrupted, and 141 if nobody reads the output any more.

    Examples
    --------
    >>> from chainrule.checking.command import main
    >>> main(["chainrule.two_layer:nothing"])
    2
    """
    try:
        options = _parser().parse_args(sys.argv[2:] if arguments is None else arguments)
        report = _report(options)
        _write(sys.stdout, f"{report.to_json() if options.json else report}\n")
    except CommandError as reason:
        _write(sys.stderr, f"chainrule check: {' '.join(str(reason).splitlines())}\n")
        return USAGE
    except KeyboardInterrupt:
        _write(sys.stderr, "chainrule check: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more as it exits, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    if report.failures:
        return WRONG
    return UNDECIDED if report.undecided else OK


def _write(stream: Any, text: str) -> None:
    if stream is not None:  # it is None if the process was started without one
        stream.write(text)
        stream.flush()  # here, and not as Python exits, a closed pipe can be handled


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line: the usage is a page, which `--help` has."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m chainrule check",
        description="Check a layer, a loss, a network or an optimizer of your own, and print the report.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "name",
        metavar="MODULE:NAME",
        help=f"a function without arguments, or a value, that gives {', '.join(EVERY_CASE[:-1])} or {EVERY_CASE[-1]}",
    )
    add("--seed", metavar="N", type=_seed, default=0, help="of all random numbers (default: %(default)s)")
    add("--law", metavar="LAW", action="append", help="check this law alone; may be given several times")
    add("--surrogate", action="store_true", help="backward is meant to differ from the derivative: leave that out")
    add(
        "--effort",
        choices=EFFORTS,
        default="full",
        help="quick leaves out what looks elsewhere than at the case as it is (default: %(default)s)",
    )
    add("--json", action="store_true", help="print the report as JSON")
    return parser


def _seed(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer >= 0, got {word!r}")
    return int(word)


def _report(options: argparse.Namespace) -> Report:
    case = _case(options.name)
    if _is_kernel(case):
        return _report_of_kernel(options, case)
    try:
        check = checker(*case, surrogate=options.surrogate, effort=options.effort)
    except TypeError as error:
        raise CommandError(f"{options.name}: {error}") from error
    try:
        report = check(rng=np.random.default_rng(options.seed), only=options.law)
    except ValueError as error:
        raise CommandError(f"--law: {str(error).rpartition('only=')[2]}") from error
    if not report.verdicts:
        raise CommandError(f"--law: {', '.join(options.law or ())} says nothing about {options.name}")
    return report


def _is_kernel(case: tuple[Any, ...]) -> bool:
    """True if the first two are functions or layers, and arrays come after them."""
    return len(case) > 2 and all(isinstance(f, Layer) or (callable(f) and not isinstance(f, Loss)) for f in case[:2])


def _report_of_kernel(options: argparse.Namespace, case: tuple[Any, ...]) -> Report:
    if options.law or options.surrogate or options.effort != "full":
        raise CommandError(f"{options.name}: --law, --surrogate and --effort are not for a kernel and its formula")
    try:
        return check_against(*case, rng=np.random.default_rng(options.seed))
    except (TypeError, ValueError) as error:
        raise CommandError(f"{options.name}: {error}") from error


def _case(name: str) -> tuple[Any, ...]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise CommandError(f"expected MODULE:NAME, such as mylayers:scale_case, got {name!r}")
    if not all(map(str.isidentifier, module.split("."))):
        raise CommandError(f"expected a module as it is imported, such as mylayers, and no file, got {module!r}")
    try:
        found: Any = attrgetter(attribute)(import_module(module))
        made: Any = found() if callable(found) else found
    except Exception as error:  # whatever the code of others does
        raise CommandError(f"{name}: {type(error).__name__}: {error}") from error
    if not is_tuple(made):
        raise CommandError(f"{name}: expected {', '.join(EVERY_CASE[:-1])} or {EVERY_CASE[-1]}, got {describe(made)}")
    return made


__all__ = ["CommandError", "main"]
