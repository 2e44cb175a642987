import dataclasses
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeRegressor
from torch import nn

from companion.data import TensorBatches
from companion.models import MLP, MLPConfig
from companion.training import TorchClassifier, TorchRegressor, TrainConfig, fit, fit_weights


def classifiers(seed, models=3, items=101, classes=5):
    """Probabilities of models of different worth, and the true classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, items)
    logits = rng.normal(size=(models, items, classes)) * rng.uniform(0.5, 4, (models, 1, 1))
    logits[:, np.arange(items), y] += rng.uniform(0, 3, (models, 1))
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True), y


def regressions(seed, models=3, items=101):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=items)
    return y + rng.normal(size=(models, items)) * rng.uniform(0.5, 2, (models, 1)) + rng.normal(size=(models, 1)) / 2, y


PROBLEMS = [("log_loss", classifiers), ("squared_error", regressions)]


def mean_loss(loss, predictions, y, weights):
    mean = np.tensordot(weights, predictions, 1)
    if loss == "log_loss":
        with np.errstate(divide="ignore"):
            return -np.log(mean[np.arange(len(y)), y]).mean()
    return ((mean - y) ** 2).mean()


@pytest.mark.parametrize(("loss", "make"), PROBLEMS)
@pytest.mark.parametrize(("models", "steps"), [(2, 1_000), (3, 100)])
def test_no_weights_on_a_fine_grid_are_better(loss, make, models, steps):
    for seed in range(7):
        predictions, y = make(seed, models)
        found = fit_weights(predictions, y, loss=loss)
        cells = [cell for cell in product(range(steps + 1), repeat=models - 1) if sum(cell) <= steps]
        grid = [np.array([*cell, steps - sum(cell)]) / steps for cell in cells]
        losses = [mean_loss(loss, predictions, y, weights) for weights in grid]
        assert found.loss <= min(losses) + 1e-12
        np.testing.assert_allclose(found.values, grid[int(np.argmin(losses))], atol=2 / steps)


@pytest.mark.parametrize(("loss", "make"), PROBLEMS)
def test_weights_meet_the_conditions_of_the_least_loss(loss, make):
    """Karush, Kuhn and Tucker: no model with a weight has a steeper slope than any other."""
    zeros = 0
    for seed in range(29):
        predictions, y = make(seed, models=7)
        found = fit_weights(predictions, y, loss=loss)
        assert found.values.min() >= 0
        assert found.values.sum() == pytest.approx(1, abs=1e-12)
        mean = found.average(predictions)
        if loss == "log_loss":
            items = np.arange(len(y))
            slopes = -(predictions[:, items, y] / mean[items, y]).mean(axis=1)
        else:
            slopes = 2 * (predictions * (mean - y)).mean(axis=1)
        used = found.values > 0
        np.testing.assert_allclose(slopes[used], slopes.min(), atol=1e-8)
        assert found.loss <= found.losses.min() + 1e-12
        assert found.loss == pytest.approx(mean_loss(loss, predictions, y, found.values), rel=1e-12)
        one = [mean_loss(loss, predictions, y, unit) for unit in np.eye(7)]
        np.testing.assert_allclose(found.losses, one, rtol=1e-12)
        zeros += (~used).sum()
    assert 0 < zeros < 6 * 29  # bounds matter, and not everywhere


@pytest.mark.parametrize(("loss", "make"), PROBLEMS)
def test_a_general_optimizer_finds_no_less(loss, make):
    for seed in range(5):
        predictions, y = make(seed, models=5)
        found = fit_weights(predictions, y, loss=loss)
        general = minimize(
            lambda weights, p=predictions, y=y: mean_loss(loss, p, y, weights),
            np.full(5, 0.2),
            method="SLSQP",
            bounds=[(1e-12, 1)] * 5,
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
            options={"ftol": 1e-12},
        )
        assert found.loss <= general.fun + 1e-12
        assert found.loss == pytest.approx(general.fun, abs=1e-7)


def test_log_loss_is_that_of_scikit_learn():
    predictions, y = classifiers(3)
    found = fit_weights(predictions, y)
    assert found.loss == pytest.approx(log_loss(y, found.average(predictions)), rel=1e-12)


def test_two_regressions_have_weights_that_can_be_written_down():
    for seed in range(11):
        (a, b), y = regressions(seed, models=2)
        wanted = np.clip(((y - b) * (a - b)).sum() / ((a - b) ** 2).sum(), 0, 1)
        np.testing.assert_allclose(fit_weights([a, b], y, loss="squared_error").values, [wanted, 1 - wanted], atol=1e-9)


def test_hard_problems_come_to_an_end():
    """Models that are alike, certain of what is wrong, or nearly so: the bound on the distance holds for all."""
    rng = np.random.default_rng(0)
    for _ in range(199):
        models, items = rng.integers(1, 7), rng.integers(1, 31)
        first = 10.0 ** -rng.choice([0, 1, 7, 30, 300], size=(models, items)) * rng.choice([0, 1], size=(models, items))
        first[rng.integers(models), :] = np.maximum(first[0], 1e-3)
        predictions = np.stack([first, 1 - first], axis=-1)
        found = fit_weights(predictions, np.zeros(items, dtype=int))
        ratios = first / (found.values @ first)
        assert ratios.mean(axis=1).max() <= 1 + 1e-8
    same, y = classifiers(0, models=1)
    assert fit_weights(np.repeat(same, 3, axis=0), y).loss == pytest.approx(fit_weights(same, y).loss, rel=1e-12)
    exact = fit_weights([[1.0, 2.0], [1.0, 2.0]], [1.0, 2.0], loss="squared_error")
    assert exact.loss == 0
    assert exact.values.sum() == 1


GOOD = [[[0.5, 0.5], [0.1, 0.9]], [[0.2, 0.8], [0.3, 0.7]]]


@pytest.mark.parametrize(
    ("predictions", "targets", "loss", "message"),
    [
        (GOOD, [0, 1], "hinge", r"expected loss to be one of log_loss, squared_error; got 'hinge'"),
        (GOOD[0], [0, 1], "log_loss", r"of shape \[models, items, classes\] .* got \[2, 2\] and \[2\]"),
        (GOOD, [0, 1], "squared_error", r"of shape \[models, items\] and"),
        (GOOD, [0, 1, 1], "log_loss", r"got \[2, 2, 2\] and \[3\]"),
        (GOOD, [[0], [1]], "log_loss", r"got \[2, 2, 2\] and \[2, 1\]"),
        (np.zeros((0, 2, 2)), [0, 1], "log_loss", r"got \[0, 2, 2\]"),
        ([[1.0, np.nan]], [0, 1], "squared_error", "expected finite predictions, got 1 NaN or infinite ones"),
        ([[1.0, 2.0]], [np.inf, 1], "squared_error", "expected finite targets, got 1"),
        (np.log(GOOD), [0, 1], "log_loss", r"add up to 1 over the classes, got others: take softmax\(logits\)"),
        (GOOD, [0, 2], "log_loss", r"expected targets to be classes from 0 to 1, got \[0.*, 2"),
        (GOOD, [0, 0.5], "log_loss", "expected targets to be classes from 0 to 1"),
        ([[[1.0, 0.0]], [[1.0, 0.0]]], [1], "log_loss", "got probability 0 from all for item 0: mix a little"),
    ],
)
def test_what_cannot_be_weighed_is_refused(predictions, targets, loss, message):
    with pytest.raises(ValueError, match=message):
        fit_weights(predictions, targets, loss=loss)


def test_an_average_of_other_models_is_refused():
    weights = fit_weights(*classifiers(0))
    with pytest.raises(ValueError, match=r"expected predictions of 3 models, got shape \[2, 101, 5\]"):
        weights.average(classifiers(0)[0][:2])


def blobs(items=83, classes=3, names=None):
    rng = np.random.default_rng(0)
    y = np.arange(items) % classes
    x = rng.normal(size=(items, 5)) + np.eye(5)[y] * 2
    return x, y if names is None else np.array(names)[y]


def build_mlp(x, y):
    model = MLP(MLPConfig(sizes=(5, 7, 3)))
    run = TrainConfig(steps=31, batch_size=13, lr=3e-2, precision="fp32", device="cpu")
    return model, TensorBatches((x, y)), run


def test_a_classifier_is_its_model_trained_by_fit():
    x, y = blobs(names=["cat", "dog", "owl"])
    learner = TorchClassifier(build_mlp, seed=5).fit(x, y)
    codes = torch.tensor(np.unique(y, return_inverse=True)[1])
    torch.manual_seed(5)
    model, data, run = build_mlp(torch.tensor(x).float(), codes)
    fit(model, data, run)
    expected = model(torch.tensor(x).float()).softmax(dim=-1).detach().numpy()
    np.testing.assert_allclose(learner.predict_proba(x), expected, rtol=1e-5)
    assert learner.predict(x).tolist() == learner.classes_[expected.argmax(axis=1)].tolist()
    assert learner.score(x, y) > 0.8
    assert clone(learner).get_params() == {"build": build_mlp, "seed": 5}


def test_a_classifier_needs_a_logit_a_class():
    x, y = blobs(classes=2)
    with pytest.raises(ValueError, match=r"expected a model with a logit for each of 2 classes, got \[83, 3\]"):
        TorchClassifier(build_mlp).fit(x, y).predict(x)


def test_a_run_of_another_fold_is_not_gone_on_with(tmp_path):
    x, y = blobs()

    def build(x, y):
        model, data, run = build_mlp(x, y)
        return model, data, dataclasses.replace(run, checkpoint_dir=tmp_path)

    learner = TorchClassifier(build).fit(x, y)
    with pytest.raises(ValueError, match="expected a new checkpoint_dir in each call of the builder"):
        learner.fit(x, y)


class Memory(nn.Module):
    """Remembers every item, and gives the nearest one's class: right on all that it saw, whatever the classes."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.scale = x, y, nn.Parameter(torch.tensor(9.0))

    def forward(self, x):
        nearest = torch.cdist(x, self.x).argmin(dim=1)
        return self.scale * nn.functional.one_hot(self.y[nearest], 2)

    def loss(self, x, y):
        return nn.functional.cross_entropy(self(x), y)


def test_no_out_of_fold_prediction_comes_from_a_model_that_saw_the_item():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(199, 3)), rng.integers(0, 2, 199)  # classes that nothing tells
    run = TrainConfig(steps=1, batch_size=199, lr=1e-9, precision="fp32", device="cpu")
    learner = TorchClassifier(lambda x, y: (Memory(x, y), TensorBatches((x, y)), run))
    assert learner.fit(x, y).score(x, y) == 1.0
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = cross_val_predict(learner, x, y, cv=folds, method="predict_proba")
    assert (unseen.argmax(axis=1) == y).mean() < 0.62  # 3.4 standard errors above a coin
    nearest = KNeighborsClassifier(1)
    expected = cross_val_predict(nearest, x, y, cv=folds)
    assert unseen.argmax(axis=1).tolist() == expected.tolist()


def test_stacking_is_a_learner_on_top_of_out_of_fold_predictions():
    """scikit-learn's, with our model in it, against the definition written out on the same folds."""
    x, y = blobs()
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    learners = [("mlp", TorchClassifier(build_mlp)), ("nearest", KNeighborsClassifier(7))]
    top = LogisticRegression(max_iter=1_000)
    stacked = StackingClassifier(learners, top, cv=folds, stack_method="predict_proba").fit(x, y)
    unseen = [cross_val_predict(learner, x, y, cv=folds, method="predict_proba") for _, learner in learners]
    again = [clone(learner).fit(x, y).predict_proba(x) for _, learner in learners]
    expected = clone(top).fit(np.hstack(unseen), y).predict_proba(np.hstack(again))
    np.testing.assert_allclose(stacked.predict_proba(x), expected, atol=1e-6)
    weights = fit_weights(unseen, y)
    assert weights.loss <= weights.losses.min() + 1e-12


def test_a_regression_stacks_too():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(83, 5))
    y = x @ [1.0, -2.0, 0.5, 3.0, 0.0] + np.abs(x[:, 0])

    def build(x, y):
        model = MLP(MLPConfig(sizes=(5, 7, 1), loss="squared_error"))
        run = TrainConfig(steps=97, batch_size=13, lr=3e-2, precision="fp32", device="cpu")
        return model, TensorBatches((x, y[:, None])), run

    learner, folds = TorchRegressor(build, seed=3), KFold(3)
    assert learner.fit(x, y).score(x, y) > 0.8
    assert learner.predict(x).shape == (83,)
    learners = [("mlp", learner), ("tree", DecisionTreeRegressor(max_depth=4, random_state=0))]
    stacked = StackingRegressor(learners, RidgeCV(), cv=folds).fit(x, y)
    unseen = [cross_val_predict(each, x, y, cv=folds) for _, each in learners]
    again = [clone(each).fit(x, y).predict(x) for _, each in learners]
    expected = RidgeCV().fit(np.stack(unseen, axis=1), y).predict(np.stack(again, axis=1))
    np.testing.assert_allclose(stacked.predict(x), expected, rtol=1e-5)
    weights = fit_weights(unseen, y, loss="squared_error")
    assert weights.loss <= weights.losses.min()


def test_predictions_of_pandas_in_another_order_are_refused():
    y = pd.Series([1.0, 2.0, 4.0], index=list("abc"))
    ours, theirs = y + 0.1, (y - 0.2).iloc[::-1]
    with pytest.raises(ValueError, match=r"targets and predictions\[1\] with the same index, got 'a' and 'c'"):
        fit_weights([ours, theirs], y, loss="squared_error")
    assert fit_weights([ours, theirs.loc[y.index]], y, loss="squared_error").loss < 0.01
