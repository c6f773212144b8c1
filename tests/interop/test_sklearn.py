"""Networks as scikit-learn's estimators: its own checks, and what its users rely on."""

import errno
import inspect
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule import (
    Affine,
    BatchNorm,
    Layer,
    affine,
    batch_norm,
    draw,
    dropout,
    prediction,
    relu,
    rmsprop,
    schedules,
    sequential,
    sgd,
    sigmoid,
    softmax,
    tree,
)
from chainrule.datasets import digits
from chainrule.interop.sklearn import NetworkClassifier, NetworkRegressor
from untyped import untyped

sklearn: Any = import_module("sklearn")  # neither scikit-learn nor pandas declares its types
checks: Any = import_module("sklearn.utils.estimator_checks")
compose: Any = import_module("sklearn.compose")
ensemble: Any = import_module("sklearn.ensemble")
exceptions: Any = import_module("sklearn.exceptions")
model_selection: Any = import_module("sklearn.model_selection")
pipeline: Any = import_module("sklearn.pipeline")
preprocessing: Any = import_module("sklearn.preprocessing")
pandas: Any = import_module("pandas")
sparse: Any = import_module("scipy.sparse")

Made = tuple[Any, Any]

TYPED = """
import numpy as np
from numpy.typing import NDArray
from typing import Any, assert_type

from chainrule import Array, Network, adamw, affine, sigmoid
from chainrule.interop.sklearn import NetworkClassifier, NetworkRegressor


def estimators(X: Array, names: list[str], y: Array) -> None:
    classifier = NetworkClassifier(hidden=(50, 20), activation=sigmoid, optimizer=adamw, max_epochs=5).fit(X, names)
    assert_type(classifier, NetworkClassifier)
    assert_type(classifier.predict(X), NDArray[Any])
    assert_type(classifier.predict_proba(X), Array)
    assert_type(classifier.loss_curve_, list[float])
    assert_type(classifier.network_, Network[Any])
    assert_type(classifier.partial_fit(X, names, classes=["a", "b"]), NetworkClassifier)
    assert_type(NetworkRegressor(batch_size=10).partial_fit(X, y, sample_weight=np.ones(3)), NetworkRegressor)
    assert_type(NetworkRegressor().fit(X, y).predict(X), Array)
    NetworkClassifier(hidden=[50, 20])
    NetworkClassifier(hidden=50)  # rejected: int
    NetworkClassifier(activation="sigmoid")  # rejected: str
    NetworkClassifier(network=affine)  # rejected: Layer
    NetworkClassifier(depth=3)  # rejected: depth
"""


def normalised(n_in: int, n_out: int, rng: np.random.Generator) -> Made:
    """A network of a seed, with dropout and a batch norm."""
    params = (Affine.init(rng, n_in, 16), BatchNorm.init(16), (), (), Affine.init(rng, 16, n_out))
    return normalised_layers, params


def normalised_layers(seed: int) -> Layer[Any, Any]:
    return sequential(affine, batch_norm(), relu, dropout(0.2, seed), affine)


def linear(n_in: int, n_out: int, rng: np.random.Generator) -> Made:
    return affine, Affine.init(rng, n_in, n_out)


def blobs(n: int = 90, k: int = 3) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Rows around k points of the plane, and the names of these."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0], [0.0, 0.0]])[:k]
    return centres[labels] + 0.3 * rng.standard_normal((n, 2)), np.array(["left", "right", "up", "down"])[labels]


def waves(n: int = 120) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.random.default_rng(0).uniform(-1, 1, (n, 2))
    return x, np.sin(2 * x[:, 0]) + x[:, 1]


def same_bits(a: Any, b: Any) -> bool:
    pairs = zip(tree.leaves(a.params_), tree.leaves(b.params_), strict=True)
    return all(left.dtype == right.dtype and np.array_equal(left, right) for left, right in pairs)


# scikit-learn's own checks


ESTIMATORS = [
    NetworkClassifier(network=normalised, learning_rate=0.01),
    NetworkRegressor(network=normalised, learning_rate=0.01),
]
"""Estimators with a network of one's own; those with ours go through the whole of `check_estimator` below."""
COUPLED = {
    "check_sample_weight_equivalence_on_dense_data",  # a batch's mean and variance, and masks, do not see weights
    "check_fit2d_1sample",  # one row has no variance: it is refused, in other words than those that are asked for
}
"""The checks that a network can't pass whose batch norms look at several rows."""
ELSEWHERE = "check_array_api"
"""The beginning of checks that ask for a variable of the environment that is set before SciPy is imported."""


def name_of(check: Any) -> str:
    function = check.func if isinstance(check, partial) else check
    return str(inspect.unwrap(function).__name__)


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name_of(check)}")
    for each in ESTIMATORS
    for estimator, check in checks.estimator_checks_generator(each)
    if not (name_of(check).startswith(ELSEWHERE) or name_of(check) in COUPLED)
]


@pytest.mark.filterwarnings("default")  # some checks look at warnings, and pass on what they warn of
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_finds_no_fault(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_the_whole_of_check_estimator_passes_and_nothing_is_skipped() -> None:
    """In a process of its own, in which SciPy is imported after its variable of the environment is set."""
    program = """
import warnings
import numpy as np
from sklearn.utils.estimator_checks import check_estimator
from chainrule.interop.sklearn import NetworkClassifier, NetworkRegressor
warnings.simplefilter("ignore")
for estimator in (NetworkClassifier(), NetworkRegressor()):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = check_estimator(estimator, on_fail=None)
    print([each for each in found if each["status"] != "passed"], len(found) > 40)
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, env=environment)
    assert run.stdout == "[] True\n[] True\n", run.stdout + run.stderr


# Options


SETTLED = {
    "hidden": (100,),
    "activation": None,
    "network": None,
    "optimizer": None,
    "learning_rate": 1e-3,
    "batch_size": 200,
    "max_epochs": 200,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "patience": 10,
    "tol": 1e-4,
    "class_weight": None,
    "warm_start": False,
    "dtype": None,
    "random_state": None,
    "verbose": 0,
}


@pytest.mark.parametrize("estimator", [NetworkClassifier, NetworkRegressor])
def test_options_have_these_names_and_defaults(estimator: Any) -> None:
    assert estimator().get_params() == SETTLED


def without_parameters(n_in: int, n_out: int, rng: np.random.Generator) -> Any:
    return affine


def in_a_list(n_in: int, n_out: int, rng: np.random.Generator) -> Made:
    return [affine], ()


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"hidden": 100}, TypeError, "hidden must be a tuple of sizes, such as (100,), got int"),
    ({"hidden": (10, 0)}, ValueError, "hidden[1] must be >= 1, got 0"),
    ({"hidden": (2.5,)}, TypeError, "hidden[0] must be an integer, got float"),
    ({"activation": "sigmoid"}, TypeError, "activation must be a Layer, such as chainrule.sigmoid, got str"),
    ({"network": affine}, TypeError, "network must be a function (n_in, n_out, rng) -> (network, params), got Layer"),
    ({"network": linear, "hidden": (5,)}, ValueError, "leave hidden and activation as they are by default"),
    ({"network": linear, "activation": sigmoid}, ValueError, "leave hidden and activation as they are by default"),
    ({"network": without_parameters}, TypeError, "network must return (network, params), got Layer"),
    (
        {"network": in_a_list},
        TypeError,
        "network must be a Layer or an Encoder, got list",
    ),
    ({"optimizer": "adam"}, TypeError, "optimizer must be a function of the rate, such as chainrule.adam, got str"),
    ({"learning_rate": -1.0}, ValueError, "learning_rate must be a finite number >= 0, got -1.0"),
    ({"batch_size": 0}, ValueError, "batch_size must be >= 1, got 0"),
    ({"max_epochs": 0}, ValueError, "max_epochs must be >= 1, got 0"),
    ({"max_epochs": 1.5}, TypeError, "max_epochs must be an integer, got float"),
    ({"early_stopping": "yes"}, TypeError, "early_stopping must be True or False, got str"),
    ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be a finite number in (0, 1), got 1.0"),
    ({"patience": 0}, ValueError, "patience must be >= 1, got 0"),
    ({"tol": -1.0}, ValueError, "tol must be a finite number >= 0, got -1.0"),
    ({"warm_start": 1}, TypeError, "warm_start must be True or False, got int"),
    ({"dtype": "int32"}, TypeError, "dtype must be None or one of float16, float32, float64, got int32"),
    ({"dtype": "float12"}, TypeError, "dtype must be None or one of float16, float32, float64, got float12"),
    ({"random_state": "one"}, ValueError, "'one' cannot be used to seed"),
    ({"verbose": -1}, ValueError, "verbose must be >= 0, got -1"),
]


@pytest.mark.parametrize(("option", "error", "says"), BAD)
@pytest.mark.parametrize("estimator", [NetworkClassifier, NetworkRegressor])
def test_a_bad_option_is_kept_as_it_is_and_refused_by_fit(
    estimator: Any, option: dict[str, Any], error: type[Exception], says: str
) -> None:
    made = estimator(**option)
    assert made.get_params() == SETTLED | option
    with pytest.raises(error, match=re.escape(says)):
        made.fit(np.eye(4), np.array([0, 1, 0, 1]))
    assert not hasattr(made, "params_")


def test_activation_and_hidden_make_the_network() -> None:
    X, y = blobs()
    classifier = NetworkClassifier((5, 4), sigmoid, max_epochs=1).fit(X, y)
    assert repr(classifier.network_) == "Layer(sequential(affine, sigmoid, affine, sigmoid, affine))"
    assert [leaf.shape for leaf in tree.leaves(classifier.params_)] == [(2, 5), (5,), (5, 4), (4,), (4, 3), (3,)]
    assert repr(NetworkClassifier(()).set_params(max_epochs=1).fit(X, y).network_) == "Layer(sequential(affine))"


def test_an_optimizer_is_a_function_of_the_rate_which_may_be_a_schedule() -> None:
    X, y = blobs()
    for optimizer, rate in ((partial(sgd, momentum=0.9), 0.1), (rmsprop, 0.01), (None, schedules.cosine(0.1, 0.0, 50))):
        classifier = NetworkClassifier(optimizer=optimizer, learning_rate=rate, max_epochs=50, random_state=0)
        assert classifier.fit(X, y).score(X, y) == 1.0


def test_the_network_of_a_function_must_have_as_many_outputs_as_there_are_classes() -> None:
    def wide(n_in: int, n_out: int, rng: np.random.Generator) -> Made:
        return linear(n_in, 7, rng)

    with pytest.raises(ValueError, match=r"network must give \(2, 3\) for 2 rows, got \(2, 7\)"):
        NetworkClassifier(network=wide).fit(*blobs())


@pytest.mark.parametrize(
    ("given", "dtype", "kept"),
    [
        ("float32", None, "float32"),
        ("float64", None, "float64"),
        ("int64", None, "float64"),
        ("float16", None, "float64"),
        ("float64", "float32", "float32"),
        ("float32", np.float64, "float64"),
        ("float32", "float16", "float16"),
    ],
)
def test_parameters_have_the_dtype_of_the_rows_or_the_one_that_is_asked_for(given: str, dtype: Any, kept: str) -> None:
    points, y = blobs()
    X = points.astype(given)
    for network in (None, linear):
        classifier = NetworkClassifier(network=network, dtype=dtype, max_epochs=2).fit(X, y)
        assert {leaf.dtype.name for leaf in tree.leaves(classifier.params_)} == {kept}
        assert classifier.predict_proba(X.astype(np.float64)).dtype == kept
    regressor = NetworkRegressor(dtype=dtype, max_epochs=2).fit(X, X[:, 0].astype(np.float64))
    assert regressor.predict(X).dtype == kept


# Classes and numbers


def test_classes_have_names_of_any_kind() -> None:
    X, y = blobs()
    for labels in (y, y.astype(object), np.unique(y, return_inverse=True)[1] - 5, y == "left"):
        classifier = NetworkClassifier(learning_rate=0.02, random_state=0).fit(X, labels)
        assert classifier.classes_.tolist() == sorted({*labels.tolist()})
        assert classifier.predict(X).dtype == labels.dtype
        assert classifier.score(X, labels) == 1.0
    assert NetworkClassifier(max_epochs=1).fit(X.tolist(), y.tolist()).classes_.tolist() == ["left", "right", "up"]


def test_probabilities_are_the_softmax_of_the_network() -> None:
    X, y = blobs()
    classifier = NetworkClassifier(max_epochs=5).fit(X, y)
    logits = prediction(classifier.network_)(classifier.params_, X)
    assert np.array_equal(classifier.predict_proba(X), prediction(softmax)((), logits))


def test_predictions_may_be_written_to() -> None:
    X, y = blobs()
    numbers = NetworkRegressor(max_epochs=1).fit(X, X)
    for predicted in (NetworkClassifier(max_epochs=1).fit(X, y).predict_proba(X), numbers.predict(X)):
        predicted[0] = 0
    boosted = ensemble.AdaBoostClassifier(NetworkClassifier(learning_rate=0.02), n_estimators=2, random_state=0)
    assert boosted.fit(X, y).score(X, y) > 0.9  # it clips probabilities in their place


@pytest.mark.parametrize("shape", [(120,), (120, 1), (120, 3)])
def test_numbers_are_predicted_in_the_shape_of_y(shape: tuple[int, ...]) -> None:
    X, y = waves()
    wanted = np.stack([y, -y, y + 1], axis=1)[:, : shape[-1]] if len(shape) == 2 else y
    regressor = NetworkRegressor(learning_rate=0.01, batch_size=20, random_state=0).fit(X, wanted)
    assert regressor.predict(X).shape == shape
    assert regressor.score(X, wanted) > 0.95


def test_a_row_is_predicted_alike_alone_and_among_thousands() -> None:
    X, y = blobs()
    many = np.resize(X, (2500, 2))
    for network in (None, normalised):
        classifier = NetworkClassifier(network=network, max_epochs=5).fit(X, y)
        alone = [classifier.predict_proba(many[[i]])[0] for i in (0, 1023, 1024, 2499)]
        among = classifier.predict_proba(many)[[0, 1023, 1024, 2499]]
        assert np.abs(alone - among).max() <= 1e-15  # another order of sums


def test_what_does_not_fit_is_refused() -> None:
    X, y = blobs()
    with pytest.raises(TypeError, match="Sparse data was passed"):
        NetworkClassifier().fit(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        NetworkClassifier().fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="Complex data not supported"):
        NetworkClassifier().fit(X + 1j, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NetworkClassifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="Unknown label type"):
        NetworkClassifier().fit(X, X[:, 0])
    classifier = NetworkClassifier(max_epochs=1).fit(X, y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        classifier.predict(sparse.csr_array(X))
    with pytest.raises(ValueError, match="X has 1 features, but NetworkClassifier is expecting 2 features"):
        classifier.predict(X[:, :1])
    with pytest.raises(exceptions.NotFittedError):
        NetworkClassifier().predict(X)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_named_with_its_row_and_column(wrong: float) -> None:
    X, y = waves()
    regressor = NetworkRegressor(max_epochs=1).fit(X, y)
    X[7, 1] = wrong
    frame = pandas.DataFrame(X, columns=["a", "b"])
    for call in (lambda: regressor.fit(X, y), lambda: regressor.predict(X), lambda: NetworkRegressor().fit(frame, y)):
        with pytest.raises(ValueError, match="Input X contains") as raised:
            call()
        assert raised.value.__notes__ == [f"NetworkRegressor: X has {wrong} at row 7, column 1"]
    y[3] = wrong
    with pytest.raises(ValueError, match="Input y contains") as raised:
        regressor.fit(np.zeros_like(X), y)
    assert raised.value.__notes__ == [f"NetworkRegressor: y has {wrong} at row 3"]


def test_names_of_classes_are_of_one_kind() -> None:
    X, y = blobs()
    labels = y.astype(object)
    labels[5] = None
    with pytest.raises(TypeError, match=r"y must have labels of one kind, got 'left' at row 0 and None at row 5$"):
        NetworkClassifier().fit(X, labels)


def test_parameters_that_run_away_are_an_error_with_advice() -> None:
    X, y = waves()
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"not finite after epoch \d+: standardise"):
        NetworkRegressor(optimizer=sgd, learning_rate=1e9).fit(X, y)


def test_a_loss_that_overflows_is_an_error_too() -> None:
    X, y = waves()
    for stopping in (False, True):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"not finite after epoch 1: standardise"):
            NetworkRegressor(early_stopping=stopping, max_epochs=1).fit(X, y * 1e200)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was() -> None:
    X, y = blobs()
    classifier = NetworkClassifier(max_epochs=2, random_state=0).fit(X, y)
    predicted = classifier.predict(X)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="not finite"):
        classifier.set_params(optimizer=sgd, learning_rate=1e300).fit(np.eye(4), [0, 1, 2, 3])
    assert (classifier.n_features_in_, classifier.classes_.tolist()) == (2, ["left", "right", "up"])
    assert np.array_equal(classifier.predict(X), predicted)


# Weights


def test_equal_weights_are_as_no_weights() -> None:
    X, y = blobs()
    without, fives = (NetworkClassifier(max_epochs=5, random_state=0, batch_size=20) for _ in range(2))
    assert same_bits(without.fit(X, y), fives.fit(X, y, np.full(len(X), 5.0)))


def test_a_row_of_weight_0_is_not_there() -> None:
    X, y = blobs()
    counts = np.arange(len(X)) % 5 > 0
    few = NetworkClassifier(max_epochs=5, random_state=0, batch_size=20).fit(X[counts], y[counts])
    all_rows = NetworkClassifier(max_epochs=5, random_state=0, batch_size=20).fit(X, y, counts)
    assert same_bits(few, all_rows)


def test_a_weight_of_2_is_the_row_twice() -> None:
    X, y = waves(60)
    weights = np.arange(len(X)) % 3
    repeated = NetworkRegressor(random_state=0).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    weighted = NetworkRegressor(random_state=0).fit(X, y, weights)
    assert np.abs(repeated.predict(X) - weighted.predict(X)).max() < 1e-10  # measured: 2e-15


def test_weights_of_classes_are_weights_of_their_rows() -> None:
    X, y = blobs(91)
    options: dict[str, Any] = {"max_epochs": 5, "random_state": 0, "batch_size": 20}
    own = np.linspace(1, 2, len(X))
    of_rows = NetworkClassifier(**options).fit(X, y, own * np.where(y == "left", 3.0, 1.0))
    of_classes = NetworkClassifier(class_weight={"left": 3.0}, **options).fit(X, y, own)
    assert same_bits(of_rows, of_classes)
    balanced = NetworkClassifier(class_weight="balanced", **options).fit(X, y, own)
    totals = {name: own[y == name].sum() for name in ("left", "right", "up")}
    assert NetworkClassifier(class_weight="balanced", **options).fit(X, y, y != "up").classes_.tolist() == [*totals]
    by_hand = NetworkClassifier(**options).fit(X, y, own / [totals[name] for name in y])
    assert np.abs(balanced.predict_proba(X) - by_hand.predict_proba(X)).max() < 1e-12  # another order of sums


def test_weights_that_do_not_fit_are_refused() -> None:
    X, y = blobs()
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        NetworkClassifier().fit(X, y, np.linspace(-1, 1, len(X)))
    with pytest.raises(ValueError, match=r"non-zero|all weights are 0"):
        NetworkClassifier().fit(X, y, np.zeros(len(X)))
    with pytest.raises(ValueError, match="all weights are 0"):
        NetworkClassifier(class_weight=dict.fromkeys(y.tolist(), 0.0)).fit(X, y)
    for wrong in (-1.0, np.inf):
        with pytest.raises(ValueError, match=f"must be finite and >= 0, got {wrong:g} at row 1"):
            NetworkClassifier(class_weight={"right": wrong}).fit(X, y)
    with pytest.raises(ValueError, match="class_weight must be None, a dict or 'balanced', got 'even'"):
        NetworkClassifier(class_weight="even").fit(X, y)
    with pytest.raises(ValueError, match="class_weight must be None, numbers have no classes"):
        NetworkRegressor(class_weight={0: 1.0}).fit(X, X)
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        NetworkClassifier(class_weight="balanced").partial_fit(X, y, np.unique(y))


# Going on


@pytest.mark.parametrize("network", [None, normalised])
def test_partial_fit_on_all_rows_is_an_epoch_of_fit(network: Any) -> None:
    X, y = blobs()
    whole = NetworkClassifier(network=network, batch_size=20, max_epochs=4, random_state=0).fit(X, y)
    parts = NetworkClassifier(network=network, batch_size=20, random_state=0)
    for _ in range(4):
        parts.partial_fit(X, y, classes=np.unique(y))
    assert same_bits(whole, parts)
    assert whole.loss_curve_ == parts.loss_curve_
    assert np.array_equal(whole.predict_proba(X), parts.predict_proba(X))


def test_warm_start_goes_on_to_the_last_bit() -> None:
    X, y = waves()
    whole = NetworkRegressor(batch_size=20, max_epochs=6, random_state=0).fit(X, y)
    parts = NetworkRegressor(batch_size=20, max_epochs=3, random_state=0, warm_start=True).fit(X, y)
    assert parts.n_iter_ == 3
    parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    assert same_bits(whole, parts)
    assert parts.n_iter_ == len(parts.loss_curve_) == 6
    assert parts.loss_curve_ == whole.loss_curve_
    parts.set_params(warm_start=False).fit(X, y)
    assert parts.n_iter_ == len(parts.loss_curve_) == 3


def test_another_optimizer_begins_with_a_state_of_its_own() -> None:
    X, y = waves()
    regressor = NetworkRegressor(max_epochs=3, warm_start=True, random_state=0).fit(X, y)
    before = regressor.score(X, y)
    assert regressor.set_params(optimizer=partial(sgd, momentum=0.9), learning_rate=0.05).fit(X, y).score(X, y) > before


def test_batches_of_rows_may_lack_classes() -> None:
    X, y = blobs()
    order = np.argsort(y)
    classifier = NetworkClassifier(learning_rate=0.01, batch_size=10, random_state=0)
    for _ in range(30):
        for some in np.array_split(order, 3):  # a class each
            classifier.partial_fit(X[some], y[some], classes=["left", "right", "up"])
    assert classifier.classes_.tolist() == ["left", "right", "up"]
    assert classifier.n_iter_ == 90


def test_going_on_needs_the_same_classes_and_columns() -> None:
    X, y = blobs()
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        NetworkClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="y has the label 'up' at row 2, which is not one of the classes"):
        NetworkClassifier().partial_fit(X, y, classes=["left", "right"])
    classifier = NetworkClassifier(max_epochs=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"the classes were \['left' 'right' 'up'\] and are \['left' 'right'\] now"):
        classifier.partial_fit(X, y, classes=["left", "right"])
    with pytest.raises(ValueError, match="go on with the same ones"):
        classifier.fit(X[y != "up"], y[y != "up"])
    with pytest.raises(ValueError, match="X has 1 features, but NetworkClassifier is expecting 2"):
        classifier.partial_fit(X[:, :1], y)
    with pytest.raises(ValueError, match="y has 2 columns, and had 1 before"):
        NetworkRegressor(max_epochs=1, warm_start=True).fit(X, X[:, 0]).fit(X, X)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        NetworkRegressor(early_stopping=True).partial_fit(X, X)


# Stopping


def test_fitting_ends_when_the_loss_falls_no_more() -> None:
    X, y = blobs()
    patient = NetworkClassifier(learning_rate=0.02, tol=0.01, patience=3, random_state=0).fit(X, y)
    assert patient.n_iter_ < 200
    falls = -np.diff(np.minimum.accumulate(patient.loss_curve_))
    assert (falls[-3:] <= 0.01).all()
    assert NetworkClassifier(learning_rate=0.0, patience=4).fit(X, y).n_iter_ == 5


def test_early_stopping_keeps_the_parameters_of_the_least_held_out_loss() -> None:
    X, y = waves(200)
    y = y + np.random.default_rng(1).standard_normal(len(y))  # what can't be learned
    regressor = NetworkRegressor(learning_rate=0.05, early_stopping=True, validation_fraction=0.4, random_state=0)
    regressor.fit(X, y)
    least = int(np.argmin(regressor.validation_curve_))
    assert least + 1 < regressor.n_iter_ == len(regressor.validation_curve_) == len(regressor.loss_curve_) < 200
    shorter = NetworkRegressor(**regressor.get_params()).set_params(max_epochs=least + 1).fit(X, y)
    assert same_bits(regressor, shorter)


def test_each_class_is_held_out_alike_or_scikit_learn_says_why_not() -> None:
    X, y = blobs(100, 4)
    fitted = NetworkClassifier(early_stopping=True, max_epochs=2, class_weight="balanced", random_state=0).fit(X, y)
    assert len(fitted.validation_curve_) == 2
    with pytest.raises(ValueError, match="least populated class"):
        NetworkClassifier(early_stopping=True).fit(X[:5], y[:5])
    with pytest.raises(ValueError, match="test_size = 2 should be greater or equal to the number of classes = 4"):
        NetworkClassifier(early_stopping=True).fit(X[:20], y[:20])


class Interrupted:
    """A network whose forward pass somebody interrupts at the n-th row of a batch of its own size."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, n_in: int, n_out: int, rng: np.random.Generator) -> Made:
        return Layer(self.forward, affine.backward), Affine.init(rng, n_in, n_out)

    def forward(self, params: Affine, x: Any) -> Any:
        if len(x) == 10:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return affine.forward(params, x)


def test_ctrl_c_leaves_the_last_whole_epoch() -> None:
    X, y = blobs()  # nine batches of ten rows
    two = NetworkClassifier(network=linear, batch_size=10, max_epochs=2, random_state=0).fit(X, y)
    broken = NetworkClassifier(network=Interrupted(9 + 9 + 4), batch_size=10, random_state=0)
    with pytest.warns(UserWarning, match="Training interrupted by user") as warned:
        broken.fit(X, y)
    assert warned[0].filename == __file__
    assert same_bits(two, broken)
    assert broken.n_iter_ == len(broken.loss_curve_) == 2


def test_ctrl_c_before_there_is_an_epoch_goes_on_to_the_caller() -> None:
    X, y = blobs()
    broken = NetworkClassifier(network=Interrupted(4), batch_size=10)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    with pytest.raises(exceptions.NotFittedError):
        broken.predict(X)
    going_on = NetworkClassifier(network=Interrupted(9 + 4), batch_size=10).partial_fit(X, y, np.unique(y))
    before = going_on.params_
    with pytest.raises(KeyboardInterrupt):
        going_on.partial_fit(X, y)
    assert going_on.params_ is before
    assert going_on.n_iter_ == 1


# Random numbers


def test_a_seed_decides_everything() -> None:
    X, y = blobs()

    def fitted(random_state: Any) -> NetworkClassifier:
        return NetworkClassifier(
            network=normalised, early_stopping=True, max_epochs=3, batch_size=20, random_state=random_state
        ).fit(X, y)

    assert same_bits(fitted(0), fitted(0))
    assert same_bits(fitted(np.random.RandomState(0)), fitted(0))
    assert not same_bits(fitted(0), fitted(1))
    assert not same_bits(fitted(None), fitted(None))


# Among scikit-learn's tools


def test_networks_with_dropout_and_batch_norms_are_used_without_them() -> None:
    X, y = blobs()
    classifier = NetworkClassifier(network=normalised, learning_rate=0.02, random_state=0).fit(X, y)
    assert "dropout" not in repr(classifier.network_)
    assert "statistics=Statistics" in repr(classifier.network_)
    assert classifier.score(X, y) == 1.0
    assert np.array_equal(classifier.predict_proba(X), classifier.predict_proba(X))


def test_a_data_frame_gives_its_columns_names() -> None:
    X, y = blobs()
    frame = pandas.DataFrame(X, columns=["east", "north"]).assign(kind=y)
    of_frame = NetworkClassifier(max_epochs=3, random_state=0).fit(frame[["east", "north"]], frame["kind"])
    assert of_frame.feature_names_in_.tolist() == ["east", "north"]
    assert of_frame.n_features_in_ == 2
    of_arrays = NetworkClassifier(max_epochs=3, random_state=0).fit(X, y)
    assert same_bits(of_frame, of_arrays)
    assert not hasattr(of_arrays, "feature_names_in_")
    with pytest.raises(ValueError, match="feature names should match"):
        of_frame.predict(frame[["north", "east"]])


def test_a_pipeline_passes_frames_and_weights() -> None:
    X, y = blobs()
    frame = pandas.DataFrame(X, columns=["east", "north"]).assign(zone=np.where(X[:, 0] > 0, "a", "b"))
    columns = compose.make_column_transformer(
        (preprocessing.StandardScaler(), ["east", "north"]),
        (preprocessing.OneHotEncoder(sparse_output=False), ["zone"]),
        verbose_feature_names_out=False,
    )
    whole = pipeline.make_pipeline(columns, NetworkClassifier(learning_rate=0.01, random_state=0))
    whole.set_output(transform="pandas").fit(frame, y, networkclassifier__sample_weight=np.ones(len(y)))
    assert whole[-1].feature_names_in_.tolist() == ["east", "north", "zone_a", "zone_b"]
    assert whole.score(frame, y) == 1.0
    again = pickle.loads(pickle.dumps(whole))
    assert np.array_equal(again.predict_proba(frame), whole.predict_proba(frame))


def test_a_search_tries_layers_and_networks() -> None:
    X, y = blobs()
    grid = {"activation": [relu, sigmoid], "hidden": [(4,), (8, 4)], "learning_rate": [1e-6, 0.02]}
    search = model_selection.GridSearchCV(NetworkClassifier(max_epochs=40, random_state=0), grid, cv=2).fit(X, y)
    assert search.best_params_["learning_rate"] == 0.02
    assert search.best_score_ > 0.9
    networks = {"network": [None, linear, normalised]}
    search = model_selection.GridSearchCV(NetworkRegressor(max_epochs=20, random_state=0), networks, cv=2, n_jobs=1)
    assert len(search.fit(*waves()).cv_results_["params"]) == 3


def test_weights_are_routed() -> None:
    X, y = blobs()
    with sklearn.config_context(enable_metadata_routing=True):
        asking = (
            untyped(NetworkClassifier(max_epochs=2))
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        found = model_selection.cross_validate(asking, X, y, cv=2, params={"sample_weight": np.ones(len(y))})
    assert len(found["test_score"]) == 2


def test_a_clone_is_fresh_and_has_the_same_options() -> None:
    X, y = blobs()
    fitted = NetworkClassifier(activation=sigmoid, network=None, optimizer=rmsprop, dtype="float32").fit(X, y)
    fresh = sklearn.clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "params_")


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda each: f"{type(each).__name__}, {'a network' if each.network else 'defaults'}"
)
def test_a_pickle_predicts_and_goes_on_alike(estimator: Any) -> None:
    X, y = blobs()
    fitted = (
        sklearn.clone(estimator).set_params(max_epochs=3, random_state=0).fit(X, y if "C" in repr(estimator) else X)
    )
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    more = y if "C" in repr(estimator) else X
    assert same_bits(again.partial_fit(X, more), fitted.partial_fit(X, more))


def test_an_estimator_shows_its_options_and_draws_its_network() -> None:
    X, y = blobs()
    fitted = NetworkClassifier((7,), max_epochs=2).fit(X, y)
    assert repr(fitted) == "NetworkClassifier(hidden=(7,), max_epochs=2)"
    assert "NetworkClassifier" in untyped(fitted)._repr_html_()
    assert "7" in draw(fitted.network_, fitted.params_).svg


def test_a_fit_is_shown_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = blobs()
    NetworkClassifier(max_epochs=2).fit(X, y)
    assert capsys.readouterr() == ("", "")
    NetworkClassifier(max_epochs=2, verbose=1).fit(X, y).set_params(verbose=True).partial_fit(X, y)
    assert re.findall(r"epoch \d/\d", capsys.readouterr().err) == ["epoch 1/2", "epoch 2/2", "epoch 3/3"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", [None, normalised])
def test_the_exported_file_gives_what_the_estimator_gives(tmp_path: Path, network: Any, dtype: str) -> None:
    served, onnx = pytest.importorskip("served"), pytest.importorskip("onnx")
    X, y = blobs()
    rows, path = X.astype(dtype), tmp_path / "network.onnx"
    classifier = NetworkClassifier(network=network, max_epochs=3).fit(rows, y)
    classifier.export_onnx(path)
    assert np.abs(served.run(onnx.load(path), rows) - classifier.predict_proba(rows)).max() < served.CLOSE
    regressor = NetworkRegressor(network=network, max_epochs=3).fit(rows, rows)
    regressor.export_onnx(str(path))
    assert np.abs(served.run(onnx.load(path), rows) - regressor.predict(rows)).max() < served.CLOSE
    with pytest.raises(exceptions.NotFittedError):
        NetworkClassifier().export_onnx(path)


def test_an_export_that_fails_leaves_the_older_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx, path = pytest.importorskip("onnx"), tmp_path / "network.onnx"
    classifier = NetworkClassifier(max_epochs=1).fit(*blobs())
    classifier.export_onnx(path)
    older = path.read_bytes()

    def save(model: Any, where: Any) -> None:
        Path(where).write_bytes(older[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(onnx, "save", save)
    with pytest.raises(OSError, match=r"No space left on device: .*network\.onnx"):
        classifier.export_onnx(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == older


def test_digits_are_told_apart() -> None:
    data = digits()
    classifier = NetworkClassifier(early_stopping=True, learning_rate=0.005, random_state=0)
    assert classifier.fit(data.train.x, data.train.labels).score(data.test.x, data.test.labels) > 0.94
