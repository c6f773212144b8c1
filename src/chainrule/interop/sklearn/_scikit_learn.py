"""The modules of scikit-learn that are used. It declares no types, and need not be there where ours are checked."""

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.arrays.cells import first_cell
from chainrule.arrays.extras import pip_install

try:
    import_module("sklearn")
except ImportError as _missing:
    _what = f"chainrule.interop.sklearn needs the package scikit-learn: {pip_install('sklearn')}"
    raise ImportError(_what) from _missing

base: Any = import_module("sklearn.base")
class_weights: Any = import_module("sklearn.utils.class_weight")
model_selection: Any = import_module("sklearn.model_selection")
multiclass: Any = import_module("sklearn.utils.multiclass")
utils: Any = import_module("sklearn.utils")
validation: Any = import_module("sklearn.utils.validation")


if TYPE_CHECKING:

    class BaseEstimator:
        """The part of scikit-learn's class of this name that users call."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """The options, by name."""
            ...

        def set_params(self, **params: object) -> Self:
            """Change options by name."""
            ...

    class ClassifierMixin:
        """The part of scikit-learn's class of this name that users call."""

        def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
            """The share of the rows that are right."""
            ...

    class RegressorMixin:
        """The part of scikit-learn's class of this name that users call."""

        def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
            """The share of the variance that is explained."""
            ...

else:
    BaseEstimator = base.BaseEstimator
    ClassifierMixin, RegressorMixin = base.ClassifierMixin, base.RegressorMixin


def checked(estimator: Any, *parts: Any, **options: Any) -> Any:
    """The arrays that scikit-learn makes of X, or of X and y.

    It refuses what is not finite, in its own words, and a note says at which row and column that is.
    """
    try:
        return validation.validate_data(estimator, *parts, **options)
    except ValueError as error:
        for name, part in zip("Xy", parts, strict=False):
            with suppress(ValueError, TypeError):  # of what is no table of numbers
                numbers = np.asarray(part, None if np.iscomplexobj(part) else np.float64)
                if not (finite := np.isfinite(numbers)).all():
                    error.add_note(f"{type(estimator).__name__}: {name} has {first_cell(numbers, ~finite)}")
        raise


def weights_of_rows(given: Any, x: NDArray[Any]) -> NDArray[np.float64]:
    """A weight for each row, float64: a ValueError in scikit-learn's words if they do not fit, or one is negative."""
    check: Any = getattr(validation, "_check_sample_weight")  # noqa: B009  # private by its name, and the developer's guide tells estimators to call it
    found: NDArray[np.float64] = check(given, x, dtype=np.float64, ensure_non_negative=True)
    return found
