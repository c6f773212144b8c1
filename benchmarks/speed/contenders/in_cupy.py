"""chainrule's step on the arrays of CuPy."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import tree
from speed.contender import Contender
from speed.contenders.ours import on

cupy: Any = import_module("cupy")  # it need not be installed where types are checked


class OursInCupy(Contender):
    """Its dtypes are NumPy's, of which bfloat16 is none."""

    def steps(self) -> Iterator[Any]:
        problem, dtype = self.problem, np.dtype(self.problem.dtype)
        step, held = on([cupy.asarray(array, dtype) for array in problem.start], problem.rate)
        x, labels = cupy.asarray(problem.x, dtype), cupy.asarray(problem.labels)
        while True:
            held, loss = step(held, x, labels)
            yield tree.leaves(held[0]), loss

    def ready(self, last: Any) -> object:
        return cupy.cuda.get_current_stream().synchronize()

    def array(self, value: Any) -> NDArray[Any]:
        array: NDArray[Any] = cupy.asnumpy(value)
        return array
