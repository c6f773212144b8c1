"""The settings of the whole process: what reads each, what puts it back, and how lines of code read it."""

import decimal
import gc
import logging
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen


def _itself(value: Any) -> object:
    return value


@frozen(eq=False)
class Setting:
    """A setting of the whole process, which `get` reads and `put` puts back.

    `code` is the expression that reads it, for lines that show a change, and `imported` the import that it needs beside
    NumPy's. `comparable` makes of what was read a value that is equal where nothing has changed. It is `of_imports` if
    a library may change it when a first call imports it.
    """

    get: Callable[[], Any]
    put: Callable[[Any], object]
    code: str
    imported: str = ""
    comparable: Callable[[Any], object] = _itself
    of_imports: bool = False

    @property
    def imports(self) -> tuple[str, ...]:
        """The lines that import what the expression needs."""
        return (self.imported,) if self.imported else ()

    def read(self) -> object:
        """Its state, as a value that compares."""
        return self.comparable(self.get())


def _environment() -> dict[Any, Any]:
    """A copy of the environment, as the process holds it: to decode all of it takes longer than many a call."""
    return dict(getattr(os.environ, "_data", os.environ))


def _environment_put(environment: dict[Any, Any]) -> None:
    if environment != _environment():  # other threads read it
        os.environ.clear()
        os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()})


def _directory() -> Path | None:
    with suppress(FileNotFoundError):  # it may have been removed
        return Path.cwd()
    return None


def _directory_put(place: Path | None) -> None:
    if place is not None:
        os.chdir(place)


def _without_flags(context: decimal.Context) -> str:
    """The context of decimal numbers but for what has happened in it."""
    settings = context.copy()
    settings.clear_flags()
    return repr(settings)


def _strict(torch: Any) -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _of_torch() -> tuple[Any, ...]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return ()
    products = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), *products, _strict(torch)


def _of_torch_put(read: tuple[Any, ...]) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is None or not read:
        return
    dtype, recording, threads, precision, tf32, strict = read
    torch.set_grad_enabled(recording)
    torch.set_default_dtype(dtype)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if _strict(torch) != strict:  # to set it imports the compiler, which takes seconds
        torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32


def _without_warn_only(read: tuple[Any, ...]) -> object:
    """The settings of torch but for whether it warns only, which changes nothing unless it is strict."""
    return (*read[:-1], read[-1][0]) if read else read


def _generator_of_torch() -> Any:
    torch: Any = sys.modules.get("torch")
    return None if torch is None else torch.get_rng_state()


def _generator_of_torch_put(state: Any) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is not None and state is not None:
        torch.set_rng_state(state)


def _bytes_of(state: Any) -> bytes:
    return b"" if state is None else bytes(state.numpy().tobytes())


SETTINGS: dict[str, Setting] = {
    "numpy.geterr": Setting(np.geterr, lambda handled: np.seterr(**handled), "np.geterr()"),
    "numpy.get_printoptions": Setting(
        np.get_printoptions,
        lambda options: np.set_printoptions(**options),
        "np.get_printoptions()",
        comparable=repr,
    ),
    "the filters of warnings": Setting(
        lambda: repr(warnings.filters),
        lambda _: None,  # warnings.catch_warnings does, and forgets what it has warned of
        "str(warnings.filters)",
        "import warnings",
        of_imports=True,
    ),
    "the state of numpy.random": Setting(
        np.random.get_state,  # the global one
        np.random.set_state,  # the global one, as it was
        "np.random.get_state()[2]",
        comparable=pickle.dumps,
    ),
    "the state of random": Setting(random.getstate, random.setstate, "hash(random.getstate())", "import random"),
    "the environment": Setting(_environment, _environment_put, "dict(os.environ)", "import os", of_imports=True),
    "the current directory": Setting(_directory, _directory_put, "os.getcwd()", "import os"),
    "the recursion limit": Setting(
        sys.getrecursionlimit, sys.setrecursionlimit, "sys.getrecursionlimit()", "import sys"
    ),
    "the garbage collector": Setting(
        gc.isenabled, lambda collects: (gc.enable if collects else gc.disable)(), "gc.isenabled()", "import gc"
    ),
    "numpy.getbufsize": Setting(np.getbufsize, np.setbufsize, "np.getbufsize()"),
    "numpy.geterrcall": Setting(np.geterrcall, np.seterrcall, "np.geterrcall()", comparable=id),
    "the switch interval of threads": Setting(
        sys.getswitchinterval, sys.setswitchinterval, "sys.getswitchinterval()", "import sys"
    ),
    "the level of logging": Setting(
        lambda: logging.root.manager.disable, logging.disable, "logging.root.manager.disable", "import logging"
    ),
    "the context of decimal": Setting(
        lambda: decimal.getcontext().copy(),
        decimal.setcontext,
        'repr(decimal.getcontext()).partition("flags")[0]',
        "import decimal",
        comparable=_without_flags,
    ),
    "settings of torch": Setting(
        _of_torch,
        _of_torch_put,
        "(torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), "
        "torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(), "
        "torch.backends.cudnn.allow_tf32)",
        "import torch",
        comparable=_without_warn_only,
        of_imports=True,
    ),
    "the random state of torch": Setting(
        _generator_of_torch,
        _generator_of_torch_put,
        "torch.get_rng_state().tolist()",
        "import torch",
        comparable=_bytes_of,
        of_imports=True,
    ),
}
"""All that are watched over, under the names that verdicts give them."""
