"""The common part of the programs beside it: options, the file that a run is kept in, pictures, and how they end."""

import argparse
import os
import sys
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

import numpy as np
from attrs import define, evolve, frozen

from chainrule import Run, load, record, save, tree
from chainrule.datasets import Dataset, digits, load_mnist
from chainrule.demo.extras import one_thread

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")

MOST = 100_000
"""Epochs, steps and splits: more of them would take days."""

FONTS = "DejaVu Sans", "Noto Sans CJK SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC"
"""For Latin letters, which come with matplotlib, and for Chinese ones on any system."""

Ending: TypeAlias = tuple[str, Callable[[], None]]
"""The figure that a program is about, and a function that draws its picture."""


@define
class Clock:
    """The seconds that the work has taken, with those of before it was broken off, which its file has kept."""

    began: float

    @property
    def seconds(self) -> float:
        """All of them."""
        return time.perf_counter() - self.began


CLOCK = Clock(time.perf_counter())


@frozen(eq=False)
@record
class Kept(Generic[P, S]):
    """The contents of a file: a run, and what it is of: a seed, so many epochs or steps, and a checksum of its data."""

    run: Run[P, S]
    seed: int
    length: int
    data: int


def records(
    options: argparse.Namespace, data: object, start: Run[P, S], following: Callable[[Run[P, S]], Iterator[Run[P, S]]]
) -> Iterator[Run[P, S]]:
    """The start of a run and the records that follow it.

    With `--save` each is kept in that file, and the run goes on from the one that is there.
    """
    path: Path | None = options.save
    kept = Kept(start, options.seed, getattr(options, length_of(options)), checksum(data) if path else 0)
    with refusals():
        if path and path.exists():
            kept = resumed(path, kept, options)
    keep(path, kept)
    yield kept.run
    for run in following(kept.run):
        keep(path, evolve(kept, run=run))
        yield run


def length_of(options: argparse.Namespace) -> str:
    """The option that says how long a run is: its rates follow from it."""
    return "steps" if "steps" in options else "epochs"


def resumed(path: Path, fresh: Kept[P, S], options: argparse.Namespace) -> Kept[P, S]:
    """The contents of a file, if they are of the options and the data that we have."""
    other = next((f"--{name} or program" for name in ("data", "text") if name in options), "program")
    kept = loaded(path, fresh, other)
    agree(path, "seed", kept.seed, fresh.seed)
    agree(path, length_of(options), kept.length, fresh.length)
    if kept.data != fresh.data:
        raise ValueError(f"{path} is of another {other}: it has learned from other data")
    print(f"going on after step {kept.run.step}, from {path}")
    return kept


def checksum(data: object) -> int:
    """A number by which data is told from other data."""
    return reduce(lambda total, leaf: zlib.crc32(np.ascontiguousarray(leaf).data, total), tree.leaves(data), 0)


def loaded(path: Path, like: T, other: str) -> T:
    """The tree in a file; where it does not fit, the error names what may have been another. The clock goes on."""
    try:
        kept, seconds = load(path, (like, 0.0))
    except ValueError as error:
        if "does not fit" not in str(error):
            raise
        raise ValueError(f"{path} is of another {other}: it holds other arrays") from None
    CLOCK.began -= seconds
    return kept


def agree(path: Path, option: str, theirs: int, ours: int) -> None:
    """An error that names an option, if a file was written with another."""
    if theirs != ours:
        raise ValueError(f"{path} is of --{option} {theirs}, not of {ours}")


def keep(path: Path | None, tree: object) -> None:
    """Write a tree, and the seconds that it has taken, to the file of `--save`, if there is one."""
    if path:
        with refusals():
            save(path, (tree, CLOCK.seconds))


def images(folder: Path | None, least: int) -> Dataset:
    """MNIST, or other images in its files, or else the small digits that come along; of so many pixels each way."""
    with refusals():
        data = load_mnist(folder) if folder else digits()
        if not (len(data.train.x) and len(data.test.x)):
            raise ValueError(f"{folder} has no images to learn from, or none to test on")
        if min(data.image_shape) < least:
            raise ValueError(f"{folder} has images of {data.image_shape} pixels: {least} each way are needed")
    return data


def number_of_classes(data: Dataset) -> int:
    """The labels are below it."""
    return 1 + max(int(part.labels.max()) for part in (data.train, data.test))


def needed(module: str) -> Any:
    """A module of a package that need not be there."""
    try:
        return import_module(module)
    except ImportError as error:
        refuse(f"{error}: pip install 'chainrule[examples]', or `make examples`, which sets it up")


def with_options(doc: str | None, picture_name: str, seed: int = 0) -> argparse.ArgumentParser:
    """A parser of the options that all programs have."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0], allow_abbrev=False)
    option = parser.add_argument
    option("--seed", type=whole, metavar="N", default=seed, help="of all random numbers (default: %(default)s)")
    option("--save", type=file, metavar="FILE", help="keep the run there, as safetensors, and go on with it")
    drawn = "a .png, .svg or .pdf (default: %(default)s)"
    option("--picture", type=picture, metavar="FILE", default=picture_name, help=drawn)
    return parser


def whole(word: str) -> int:
    """An option that is a whole number."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, got {word!r}")
    return int(word)


def count(word: str) -> int:
    """An option that says how many, of what takes time and memory."""
    if whole(word) > MOST:
        raise argparse.ArgumentTypeError(f"must be at most {MOST}, got {word!r}")
    return int(word)


def file(word: str) -> Path:
    """An option that is a file to write."""
    path = Path(word)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file in a folder that is there, got {word!r}")
    if not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        raise argparse.ArgumentTypeError(f"must be a file that we may write, got {word!r}")
    return path


def picture(word: str) -> Path:
    """An option that is a picture to write."""
    path = file(word)
    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {word!r}")
    return path


def families() -> list[str]:
    """The families of fonts that are here: of each character, matplotlib takes the first that has it."""
    there: set[str] = set(needed("matplotlib.font_manager").get_font_names())
    return [name for name in FONTS if name in there]


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib."""
    try:
        figure.savefig(path)
    except OSError as error:
        refuse(f"--picture: {path} can't be written: {error}")
    print(f"drawn in {path}; the processor worked for {time.process_time():.0f} s")


@contextmanager
def refusals() -> Generator[None, None, None]:
    """End with a sentence where a file or a package is not there, or a file is damaged, of other options or too large.

    Only what reads and writes files belongs under it: elsewhere these errors are mistakes in the program.
    """
    try:
        yield
    except (ImportError, OSError, ValueError) as error:
        refuse(error)


def refuse(why: object) -> NoReturn:
    """End with a sentence."""
    print(f"{Path(sys.argv[0]).name}: error: {why}", file=sys.stderr)
    raise SystemExit(2)


def carry_out(work: Callable[[argparse.Namespace], Ending], options: argparse.Namespace) -> None:
    """Work as the options say, on one core, draw, and print the figure as the last line, drawn or not; Ctrl-C ends it.

    So does a reader who closes the pipe, as `head` does.
    """
    if options.save and options.save == options.picture:
        refuse(f"--save and --picture are both {options.save}")
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a text may have characters that a terminal has not
    try:
        with one_thread():
            figure, draw = work(options)
        try:
            draw()
        finally:
            print(f"{figure}, {CLOCK.seconds:.0f} s", flush=True)
    except KeyboardInterrupt:
        if options.save and options.save.exists():
            print(f"broken off: the same command goes on from {options.save}", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at its end
        raise SystemExit(141) from None


if __name__ == "__main__":
    refuse("is what the programs beside it have in common, and does nothing by itself")
