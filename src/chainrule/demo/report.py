"""The texts of the demo, before training and after it."""

import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from chainrule import tree
from chainrule.arrays.types import Labels
from chainrule.datasets import Dataset
from chainrule.demo.gradient_check import BOUNDS, SEEN, Finding
from chainrule.demo.mistakes import Mistakes, worst_confusion
from chainrule.demo.options import Options
from chainrule.demo.screen import Screen
from chainrule.two_layer import Params

METHODS = {"central": "central differences", "complex": "complex step"}


def header(screen: Screen, options: Options, data: Dataset, params: Params) -> None:
    """Say what is about to happen: the data, the network and the training."""
    source = "the digits that come along" if options.data is None else f"{options.data}"
    height, width = data.image_shape
    layers = " - ".join(str(size) for size in (params[0].W.shape[0], *params[2].W.shape))
    count = sum(leaf.size for leaf in tree.leaves(params))
    screen.say("chainrule: a two-layer network learns from examples", "bold")
    screen.say()
    screen.say(f"data      {source}: images of {height} x {width},")
    screen.say(f"          {len(data.train.labels):,} to learn from, {len(data.test.labels):,} to test")
    screen.say(f"network   {layers}: affine, {options.activation}, affine, and softmax with cross-entropy;")
    screen.say(f"          {count:,} parameters")
    screen.say(f"training  {options.steps:,} steps of gradient descent, on batches of {options.batch:,}")
    screen.say(f"          at rate {options.rate:g}, from seed {options.seed}")
    screen.say()


def gradients(screen: Screen, findings: Sequence[Finding], examples: int, seconds: float) -> None:
    """Show the gradient check as a table with a row for each finding, and the entries that were left out of it."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("gradient by", "against", "error", "at", "bound", "verdict"):
        table.add_column(name, justify="right" if name in ("error", "bound") else "left")
    for method, description in METHODS.items():
        for finding in findings:
            if finding.verdict.law == method:
                table.add_row(*_cells(finding, description), style=None if finding.verdict.ok else "bold red")
        table.add_section()
    screen.say()
    screen.say("Every entry of the gradient by backpropagation, against two other methods", "bold")
    screen.print(table)
    screen.say()
    screen.say("error     the largest, relative to the largest entry of the array; at: its index")
    screen.say(
        f"          in float64, on {examples} test {'images' if examples > 1 else 'image'}; took {seconds:.1f} s"
    )
    if any(finding.verdict.bound > BOUNDS[0][1] for finding in findings):
        screen.say(f"bound     wider where an array has less influence than differences see: {SEEN:.0e} of the loss")
    for finding in findings:
        if finding.kinks:
            screen.say(_kinks(finding))
    screen.say()


def results(screen: Screen, found: Mistakes, labels: Labels) -> None:
    """Say how many test images were read rightly, and what went wrong most often."""
    n, wrong = len(labels), len(found.which)
    screen.say(f"accuracy  {1 - wrong / n:.2%} of the test images: {n - wrong:,} of {n:,}", "bold")
    screen.say(f"mistakes  {worst_confusion(found, labels)}")


def brief(screen: Screen, findings: Sequence[Finding]) -> None:
    """Sum the table up in one line."""
    right = all(finding.verdict.ok for finding in findings)
    errors = [
        f"{max(finding.verdict.error for finding in findings if finding.verdict.law == method):.1e} ({description})"
        for method, description in METHODS.items()
    ]
    screen.say(f"gradients {'right' if right else 'WRONG'}: largest errors {' and '.join(errors)}")


def _cells(finding: Finding, method: str) -> tuple[str, ...]:
    verdict = finding.verdict
    return (
        f"{verdict.field} {' x '.join(str(side) for side in finding.shape)}",
        method,
        f"{verdict.error:.1e}",
        f"[{', '.join(str(i) for i in verdict.index)}]",
        f"{verdict.bound:.0e}",
        "right" if verdict.ok else "WRONG",
    )


def _kinks(finding: Finding) -> str:
    entries = f"{finding.kinks:,} of the {math.prod(finding.shape):,} entries of {finding.verdict.field}"
    return f"kinks     {entries} stand at a kink of the loss, with no derivative to compare; left out"
