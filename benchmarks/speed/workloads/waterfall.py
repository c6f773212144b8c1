"""The time of one step in its parts: each alone, as a bare NumPy call and as a call of the library.

What a whole step takes beyond the sum of its kernels is between them: Python itself, checks, records and fresh arrays.
It may be less than nothing, where the library does better than these kernels.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from speed import picture
from speed.contenders.ours import Ours, TwoCalls
from speed.harness import Loop, Plan, Row, calls, race
from speed.kernels import PRODUCTS, kernels, pieces
from speed.options import Options
from speed.page import heading, table
from speed.problem import BOOK, LARGE, SMALL, WIDE, Problem, Size
from speed.processes import ask, process


def measure(options: Options) -> Iterator[Row]:
    """A row for each size."""
    for size in (SMALL, BOOK, WIDE) if options.quick else (SMALL, BOOK, WIDE, LARGE):
        with process() as child:
            yield ask(child, of_size, size, 11 if options.quick else 51)


def of_size(size: Size, rounds: int) -> Row:
    """Medians: of the kernels, of the library's calls with the kernels that they stand for, and of whole steps."""
    problem = Problem.draw(size)
    bare, library = kernels(problem)[0], pieces(problem)
    steps = {"training_step": Ours(problem).steps(), "value_and_grad, then step": TwoCalls(problem).steps()}
    loops = {name: calls(call) for name, call in bare.items()}
    loops |= {name: calls(call) for name, (call, _) in library.items()}
    loops |= {name: Loop(items) for name, items in steps.items()}
    took = race({name: loop.time for name, loop in loops.items()}, Plan(rounds, block=0.002, before=1e-9))
    seconds = {name: median(each.wall for each in blocks) for name, blocks in took.items()}
    return {
        "size": str(size),
        "rounds": rounds,
        "kernels": [{"name": name, "seconds": seconds[name], "product": name in PRODUCTS} for name in bare],
        "calls": [{"name": name, "seconds": seconds[name], "kernels": of} for name, (_, of) in library.items()],
        "steps": {name: seconds[name] for name in steps},
    }


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """A table of kernels for each size, and one of calls."""
    book = next(row for row in rows if row["size"] == str(BOOK))
    return {"waterfall": "\n\n".join(map(_kernels, rows)), "calls": _calls(book)}


def _kernels(row: Row) -> str:
    """Every kernel, how much of the step it is, and times what the five products take."""
    whole = row["steps"]["training_step"]
    times = {f"{each['name']}{' (product)' * each['product']}": each["seconds"] for each in row["kernels"]}
    products = sum(each["seconds"] for each in row["kernels"] if each["product"])
    times["everything between them"] = whole - sum(times.values())
    times |= {"the whole step": whole, "the five products alone": products}
    lines = [
        [name, _microseconds(seconds), f"{seconds / whole:.1%}", f"{seconds / products:.2f}"]
        for name, seconds in times.items()
    ]
    return table([f"part of a step at {heading(row['size'])}", "µs", "of the step", "× the products"], lines)


def _calls(row: Row) -> str:
    """Every call of the library, beside the kernels that it stands for."""
    bare = {each["name"]: each["seconds"] for each in row["kernels"]}
    both = [(each["name"], each["seconds"], sum(bare[name] for name in each["kernels"])) for each in row["calls"]]
    lines = [[f"`{name}`", _microseconds(seconds), _microseconds(own)] for name, seconds, own in both]
    lines.append(["all of them", *(_microseconds(sum(column)) for column in list(zip(*both, strict=True))[1:])])
    lines += [[f"`{name}`", _microseconds(seconds), ""] for name, seconds in row["steps"].items()]
    return table(["call", "µs", "its kernels, µs"], lines)


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f}"


def pictures(rows: Sequence[Row]) -> dict[str, str]:
    """The picture, as an SVG file."""
    return {"waterfall.svg": picture.waterfall(rows)}
