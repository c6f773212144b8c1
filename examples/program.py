"""The common part of the programs beside it: options, the file that a run is kept in, pictures, and how they end."""

import argparse
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from attrs import frozen

from chainrule import Run, load, record, save

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")


@frozen(eq=False)
@record
class Kept(Generic[P, S]):
    """The contents of a file: a run, and the seed of its random numbers."""

    run: Run[P, S]
    seed: int


def resumed(options: argparse.Namespace, start: Run[P, S]) -> Run[P, S]:
    """The run in the file of `--save`, if it is there; else the start, which is written to it."""
    path: Path | None = options.save
    if path is None:
        return start
    kept = Kept(start, options.seed)
    if path.exists():
        kept = loaded(path, kept, "--data or program" if "data" in options else "program")
        if kept.seed != options.seed:
            raise ValueError(f"{path} is of --seed {kept.seed}, not of {options.seed}")
        epochs = kept.run.epoch + (kept.run.place > 0)
        if epochs > options.epochs:
            raise ValueError(f"{path} has {epochs} epochs, more than --epochs {options.epochs}")
        print(f"going on after step {kept.run.step}, from {path}")
    save(path, kept)
    return kept.run


def loaded(path: Path, like: T, other: str) -> T:
    """The tree in a file; where it does not fit, the error names what may have been another."""
    try:
        return load(path, like)
    except ValueError as error:
        if "does not fit" not in str(error):
            raise
        raise ValueError(f"{path} is of another {other}: {error}") from None


def needed(module: str) -> Any:
    """A module of a package that need not be there."""
    try:
        return import_module(module)
    except ImportError as error:
        refuse(f"{error}: pip install 'chainrule[examples]'")


def whole(word: str) -> int:
    """An option that is a whole number."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, got {word!r}")
    return int(word)


def file(word: str) -> Path:
    """An option that is a file to write."""
    path = Path(word)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file in a folder that is there, got {word!r}")
    return path


def picture(word: str) -> Path:
    """An option that is a picture to write."""
    path = file(word)
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {word!r}")
    return path


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib."""
    try:
        figure.savefig(path)
    except OSError as error:
        raise SystemExit(f"--picture: {error}") from None


@contextmanager
def refusals() -> Generator[None, None, None]:
    """End with a sentence where a file or a package is not there, or a file is damaged or of other options."""
    try:
        yield
    except (ImportError, OSError, ValueError) as error:
        refuse(error)


def refuse(why: object) -> NoReturn:
    """End with a sentence."""
    print(f"{Path(sys.argv[0]).name}: error: {why}", file=sys.stderr)
    raise SystemExit(2)


def carry_out(work: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    """Work as the options say, to the end or until Ctrl-C."""
    try:
        work(options)
    except KeyboardInterrupt:
        if options.save and options.save.exists():
            print(f"broken off: the same command goes on from {options.save}", file=sys.stderr)
        raise SystemExit(130) from None
