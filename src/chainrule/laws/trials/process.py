"""The settings of the whole process: what reads them, and what puts them back."""

import contextlib
import gc
import logging
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chainrule.checking.verdict import Verdict

T = TypeVar("T")


def _torch() -> str:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return ""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    products = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return f"{torch.get_default_dtype()} {torch.is_grad_enabled()} {threads} {strict} {products}"


def _state_of_torch() -> bytes:
    torch: Any = sys.modules.get("torch")
    return b"" if torch is None else bytes(torch.get_rng_state().numpy().tobytes())


SETTINGS: dict[str, Callable[[], object]] = {
    "numpy.geterr": lambda: repr(np.geterr()),
    "numpy.get_printoptions": lambda: repr(np.get_printoptions()),
    "the filters of warnings": lambda: repr(warnings.filters),
    "the state of numpy.random": lambda: pickle.dumps(np.random.get_state()),  # noqa: NPY002  # the global one
    "the state of random": lambda: hash(random.getstate()),
    "the environment": lambda: dict(os.environ),
    "the current directory": os.getcwd,
    "the recursion limit": sys.getrecursionlimit,
    "the garbage collector": gc.isenabled,
    "numpy.getbufsize": np.getbufsize,
    "numpy.geterrcall": lambda: id(np.geterrcall()),
    "the switch interval of threads": sys.getswitchinterval,
    "the level of logging": lambda: logging.root.manager.disable,
    "settings of torch": _torch,
    "the random state of torch": _state_of_torch,
}
"""The functions that read the state of the whole process."""

OF_IMPORTS = frozenset({"the filters of warnings", "the environment", "settings of torch", "the random state of torch"})
"""The settings that a library may change when a first call imports it."""


def settings() -> dict[str, object]:
    """The settings of the process that a library does not change when it is imported."""
    return {name: read() for name, read in SETTINGS.items() if name not in OF_IMPORTS}


def settings_kept(law: str, call: Callable[[], None], rng: np.random.Generator) -> list[Verdict]:
    """A verdict for each setting of the process that a call changes, or one for all; they are put back.

    A first call may import a library, which changes some: then the next one is judged.
    """
    verdicts = _settings_kept(law, call, rng)
    imports = not verdicts[0].ok and all(each.field in OF_IMPORTS for each in verdicts)
    return _settings_kept(law, call, rng) if imports else verdicts


def _settings_kept(law: str, call: Callable[[], None], rng: np.random.Generator) -> list[Verdict]:
    with _seeded(rng):
        before = {name: read() for name, read in SETTINGS.items()}
        call()
        after = {name: read() for name, read in SETTINGS.items()}
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
        warnings.simplefilter("ignore", RuntimeWarning)
        seeds = [int(seed) for seed in rng.integers(2**32, size=3)]
        random.seed(seeds[0])
        np.random.seed(seeds[1])  # noqa: NPY002  # that a call may seed in its turn
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seeds[2])
        yield


@contextlib.contextmanager
def put_back() -> Generator[None]:
    """A context after which settings of the whole process are what they were before."""
    seeds = random.getstate(), np.random.get_state()  # noqa: NPY002  # the global one
    environment, printing, floats = os.environ.copy(), np.get_printoptions(), np.geterr()
    size, limit, of_torch = np.getbufsize(), sys.getrecursionlimit(), _of_torch()
    collecting, errcall, interval = gc.isenabled(), np.geterrcall(), sys.getswitchinterval()
    level = logging.root.manager.disable
    place: Path | None = None
    with contextlib.suppress(FileNotFoundError):  # it may have been removed
        place = Path.cwd()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        random.setstate(seeds[0])
        np.random.set_state(seeds[1])  # noqa: NPY002  # the global one, as it was
        if environment != os.environ:  # other threads read it
            os.environ.clear()
            os.environ.update(environment)
        np.set_printoptions(**printing)
        np.seterr(**floats)
        if place is not None:
            os.chdir(place)
        np.setbufsize(size)
        sys.setrecursionlimit(limit)
        (gc.enable if collecting else gc.disable)()
        np.seterrcall(errcall)
        sys.setswitchinterval(interval)
        logging.disable(level)
        of_torch()


def _of_torch() -> Callable[[], None]:
    """The functions that put back the settings of torch, if it is imported: those that can be read."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    dtype, threads, state = torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state()

    def deterministic() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    strict = deterministic()
    recording, products = torch.is_grad_enabled(), torch.get_float32_matmul_precision()
    tf32 = torch.backends.cudnn.allow_tf32

    def restore() -> None:
        torch.set_grad_enabled(recording)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_rng_state(state)
        if strict != deterministic():  # to set it imports the compiler, which takes seconds
            torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = tf32

    return restore


def as_new() -> None:
    """Undo what calls before may have set for the process: an environment that is empty, and NumPy's own printing."""
    os.environ.clear()
    np.set_printoptions(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False)
