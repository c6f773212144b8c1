"""Calls within which the settings of the whole process are watched, and after which they are what they were."""

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Generator
from typing import TypeVar

import numpy as np

from chainrule.checking.verdict import Verdict
from chainrule.laws.trials.settings import SETTINGS

T = TypeVar("T")


def settings() -> dict[str, object]:
    """The settings of the process that a library does not change when it is imported."""
    return {name: setting.read() for name, setting in SETTINGS.items() if not setting.of_imports}


def settings_kept(law: str, call: Callable[[], None], rng: np.random.Generator) -> list[Verdict]:
    """A verdict for each setting of the process that a call changes, or one for all; they are put back.

    A first call may import a library, which changes some: then the next one is judged.
    """
    verdicts = _settings_kept(law, call, rng)
    imports = not verdicts[0].ok and all(SETTINGS[each.field].of_imports for each in verdicts)
    return _settings_kept(law, call, rng) if imports else verdicts


def _settings_kept(law: str, call: Callable[[], None], rng: np.random.Generator) -> list[Verdict]:
    with _seeded(rng):
        before = {name: setting.read() for name, setting in SETTINGS.items()}
        call()
        after = {name: setting.read() for name, setting in SETTINGS.items()}
    changed = [name for name, value in before.items() if value != after[name]]
    notes = [Verdict(law, name, ok=False, note=f"a call changes {name} of the whole process") for name in changed]
    return notes or [Verdict(law, "settings", ok=True)]


def contained(f: Callable[[], T]) -> T:
    """The result of a function of the author's; what it sets for the process is put back."""
    with _seeded(np.random.default_rng(0)):
        return f()


@contextlib.contextmanager
def _seeded(rng: np.random.Generator) -> Generator[None]:
    """A context in which global generators start from seeds, and after which the process is what it was before."""
    with np.errstate(all="warn"), warnings.catch_warnings(), put_back():
        warnings.filterwarnings("ignore", ".*", RuntimeWarning)  # not the usual way, or a layer's own would not be seen
        seeds = [int(seed) for seed in rng.integers(2**32, size=3)]
        random.seed(seeds[0])
        np.random.seed(seeds[1])  # noqa: NPY002  # that a call may seed in its turn
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seeds[2])
        yield


@contextlib.contextmanager
def put_back() -> Generator[None]:
    """A context after which settings of the whole process are what they were before."""
    before = [(setting, setting.get()) for setting in SETTINGS.values()]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for setting, value in before:
            setting.put(value)


def as_new() -> None:
    """Undo what calls before may have set for the process: an environment that is empty, and NumPy's own printing."""
    os.environ.clear()
    np.set_printoptions(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False)
