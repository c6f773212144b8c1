"""Write the part of docs/evidence.md on elementwise layers: the worst errors of value and slope, and where they are.

    python benchmarks/whole_line.py

A layer is measured beside the definition of its own test file, `EXACT` there, in 50 digits. It takes a few minutes.
"""

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from pointwise import Definition, errors, line
from speed.page import filled, present, table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "evidence.md"


def definitions() -> Iterator[tuple[str, Definition]]:
    """The definitions of elementwise layers in the tests, by the names of the layers."""
    for path in sorted((ROOT / "tests" / "layers").glob("test_*.py")):
        yield from getattr(import_module(f"layers.{path.stem}"), "EXACT", {}).items()


def row(name: str, definition: Definition, n: int) -> list[str]:
    """A layer with its usual options: the largest errors and where they are, and the share of what is allowed."""
    layer: Any = getattr(chainrule, name)
    if not hasattr(layer, "forward"):
        layer = layer()
    rng = np.random.default_rng(0)
    x = np.concatenate([line(n), rng.uniform(-40, 40, 2 * n), rng.standard_normal(2 * n)])
    found, allowed = errors(layer, definition, x)
    cells = [name]
    for error in found:
        at = int(np.argmax(error))
        cells += [f"{error[at]:.1f}", f"{x[at]:.5g}" if error[at] else "nowhere"]
    return [*cells, f"{(found / allowed).max():.0%}"]


def part(n: int) -> str:
    """The table of all layers."""
    head = ["layer", "value, in u", "at", "slope, in u", "at", "of what is allowed"]
    rows = [row(name, definition, n) for name, definition in sorted(definitions())]
    return f"At {10 * n:,} numbers for each layer, in float64.\n\n" + table(head, rows)


def main() -> None:
    """Write the part, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try a hundredth of the numbers, and print it")
    if parser.parse_args().quick:
        print(part(5))
        return
    page = PAGE.read_text("utf-8")
    PAGE.write_text(filled(page, present(page) | {"whole-line": part(500)}), "utf-8")


if __name__ == "__main__":
    main()
