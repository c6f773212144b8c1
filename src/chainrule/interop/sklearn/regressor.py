"""A regressor of scikit-learn's kind: a network that is trained by the mean squared error."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from chainrule.arrays.types import Array
from chainrule.interop.sklearn._estimator import Estimator
from chainrule.interop.sklearn._scikit_learn import RegressorMixin, validation
from chainrule.loss import Loss
from chainrule.losses.mean_squared_error import mean_squared_error


class NetworkRegressor(RegressorMixin, Estimator):
    """A network that predicts numbers, one or several for each row: the mean squared error is made small.

    Attributes
    ----------
    n_outputs_
        How many numbers there are for a row.
    network_, params_
        The network in its form for use, and its parameters: what `chainrule.prediction`, `chainrule.draw` and
        `chainrule.save` take.
    loss_curve_
        The mean loss of each epoch, each batch's before the step that it was part of.
    validation_curve_
        The loss of each epoch on the rows that are held out. Empty without `early_stopping`.
    n_iter_
        The epochs in all.
    n_features_in_, feature_names_in_
        The number of columns, and their names if X was a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.interop.sklearn import NetworkRegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    >>> y = X[:, 0] * X[:, 1]
    >>> regressor = NetworkRegressor(learning_rate=0.01, random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.9
    True
    """

    n_outputs_: int

    _loss: ClassVar[Loss[Any, Any]] = mean_squared_error
    _of_y: ClassVar[Mapping[str, bool]] = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Go on for one epoch over these rows.

        Parameters
        ----------
        X
            (n, features): rows, of which there may be few.
        y
            (n,) or (n, outputs): their numbers.
        sample_weight
            (n,): a weight for each row, not negative.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            As of `fit`; if y has another number of columns than before.
        """
        return self._trained(X, y, sample_weight, one_more=True)

    def predict(self, X: ArrayLike) -> Array:
        """The numbers of each row: (n,) or (n, outputs), as y was."""
        out = self._outputs(X).copy()  # as others', which may be written to
        return out[:, 0] if self._is_single else out

    def __sklearn_tags__(self) -> Any:
        parent: Any = super()
        tags = parent.__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _targets(self, y: Any, dtype: Any, *, first: bool, classes: Any, one_more: bool) -> tuple[Any, int]:
        numbers = validation.check_array(y, dtype=dtype, ensure_2d=False, input_name="y")
        columns = numbers.reshape(len(numbers), -1)
        if not first and columns.shape[1] != self.n_outputs_:
            what = f"y has {columns.shape[1]} columns, and had {self.n_outputs_} before"
            raise ValueError(f"NetworkRegressor: {what}: warm_start and partial_fit go on with the same ones")
        self.n_outputs_, self._is_single = columns.shape[1], numbers.ndim == 1
        return columns, self.n_outputs_

    def _weights(self, given: Any, labels: Any, *, one_more: bool) -> Any:
        if self.class_weight is not None:
            raise ValueError("NetworkRegressor: class_weight must be None, numbers have no classes: give sample_weight")
        return given
