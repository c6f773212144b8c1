"""The progress of training: a bar in a terminal, and ten plain lines elsewhere.

Each way is a block that gives a function to call with every moment.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chainrule.demo.screen import Screen
from chainrule.demo.training import Moment

Show: TypeAlias = Callable[[Moment], None]


@contextmanager
def bar(screen: Screen, steps: int) -> Generator[Show, None, None]:
    """A bar that moves with each moment."""
    columns = (
        TextColumn("training"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=screen, refresh_per_second=5, expand=True) as progress:
        task = progress.add_task("training", total=steps, state="")

        def show(moment: Moment) -> None:
            loss = moment.loss if moment.step else moment.test_loss
            progress.update(task, completed=moment.step, state=_state(loss, moment.test_accuracy))

        yield show


@contextmanager
def lines(screen: Screen, steps: int) -> Generator[Show, None, None]:
    """A line after each tenth of the steps."""
    tenths = 0

    def show(moment: Moment) -> None:
        nonlocal tenths
        if moment.step * 10 // steps > tenths:
            tenths = moment.step * 10 // steps
            done = f"{moment.step:,}".rjust(len(f"{steps:,}"))
            screen.say(f"step {done}   {_state(moment.loss, moment.test_accuracy)}")

    yield show


@contextmanager
def silence(screen: Screen, steps: int) -> Generator[Show, None, None]:
    """Nothing."""

    def show(moment: Moment) -> None:
        pass

    yield show


def _state(loss: float, accuracy: float) -> str:
    return f"loss {loss:.4f}   accuracy {accuracy:.1%}"
