"""A classifier of scikit-learn's kind: a network that is trained by the cross-entropy of a softmax."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.arrays.arguments import is_a
from chainrule.arrays.types import Array, Labels
from chainrule.combinators.encoded import encoded
from chainrule.combinators.sequential import sequential
from chainrule.encoder import Encoder
from chainrule.interop.sklearn._estimator import Estimator
from chainrule.interop.sklearn._scikit_learn import ClassifierMixin, class_weights, multiclass
from chainrule.layers.activations.softmax import softmax
from chainrule.loss import Loss
from chainrule.losses.softmax_cross_entropy import softmax_cross_entropy
from chainrule.training.prediction import prediction


class NetworkClassifier(ClassifierMixin, Estimator):
    """A network that tells classes apart: the cross-entropy of a softmax is made small.

    Attributes
    ----------
    classes_
        (classes,): the labels, in order. Column i of probabilities is that of label i.
    network_, params_
        The network in its form for use, whose outputs are logits, and its parameters: what `chainrule.prediction`,
        `chainrule.draw` and `chainrule.save` take.
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
    >>> from chainrule.datasets import digits
    >>> from chainrule.interop.sklearn import NetworkClassifier
    >>> data = digits()
    >>> classifier = NetworkClassifier(max_epochs=20, random_state=0).fit(data.train.x, data.train.labels)
    >>> classifier.predict(data.test.x[:3])
    array([4, 9, 4])
    >>> classifier.score(data.test.x, data.test.labels) > 0.9
    True
    >>> classifier.network_
    Layer(sequential(affine, relu, affine))
    """

    classes_: NDArray[Any]

    _loss: ClassVar[Loss[Any, Any]] = softmax_cross_entropy
    _of_y: ClassVar[Mapping[str, bool]] = {}

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Go on for one epoch over these rows.

        Parameters
        ----------
        X
            (n, features): rows, of which there may be few.
        y
            (n,): their classes.
        classes
            All classes that there are; the first call needs them.
        sample_weight
            (n,): a weight for each row, not negative.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            As of `fit`; if the first call gets no classes, a later one others, or y has one that is not among them.
        """
        return self._trained(X, y, sample_weight, one_more=True, classes=classes)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        most = self.predict_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[most]
        return chosen

    def predict_proba(self, X: ArrayLike) -> Array:
        """The probability of each class in each row: (n, classes), in the order of `classes_`."""
        return prediction(softmax)((), self._outputs(X)).copy()  # as others', which may be written to

    def _answering(self) -> tuple[Any, Any]:
        joined: Any = encoded if is_a(self.network_, Encoder) else sequential
        return joined(self.network_, softmax), (self.params_, ())

    def _targets(self, y: Any, dtype: Any, *, first: bool, classes: Any, one_more: bool) -> tuple[Any, int]:
        try:
            multiclass.check_classification_targets(y)
            found, inverse = np.unique(y, return_inverse=True)
        except TypeError as error:
            row = next((row for row, label in enumerate(y) if type(label) is not type(y[0])), 0)
            what = f"y must have labels of one kind, got {y[0]!r} at row 0 and {y[row]!r} at row {row}"
            raise TypeError(f"NetworkClassifier: {what}") from error
        if one_more and first and classes is None:
            raise ValueError("NetworkClassifier: classes must be passed on the first call to partial_fit")
        given = found if not one_more else self.classes_ if classes is None else np.unique(np.asarray(classes))
        if not first and given.tolist() != self.classes_.tolist():
            what = f"the classes were {self.classes_} and are {given} now"
            raise ValueError(f"NetworkClassifier: {what}: warm_start and partial_fit go on with the same ones")
        self.classes_ = given
        places = {name: place for place, name in enumerate(given.tolist())}
        for i, name in enumerate(names := found.tolist()):
            if name not in places:
                what = f"y has the label {name!r} at row {np.flatnonzero(inverse == i)[0]}"
                raise ValueError(f"NetworkClassifier: {what}, which is not one of the classes {given}")
        return np.array([places[name] for name in names])[inverse], len(given)

    def _weights(self, given: Any, labels: Labels, *, one_more: bool) -> Any:
        if self.class_weight is None:
            return given
        own = np.ones(len(labels)) if given is None else given
        if not isinstance(self.class_weight, str):
            of_class = class_weights.compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[labels]
            )
            return own * of_class[labels]
        if self.class_weight != "balanced":
            what = "class_weight must be None, a dict or 'balanced'"
            raise ValueError(f"NetworkClassifier: {what}, got {self.class_weight!r}")
        if one_more:
            what = "class_weight 'balanced' is not supported for partial_fit, which does not see all rows"
            raise ValueError(f"NetworkClassifier: {what}: give a dict")
        totals = np.bincount(labels, own)[labels]
        return own / np.where(totals > 0, totals, 1)
