"""Private linear models: no row moves them by more than is promised, the noise is as large as that, and they learn."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression

from companion.trust import gaussian_delta, noisy_least_squares, output_perturbation
from companion.trust.privacy import perturbation

PROMISE = {"epsilon": 0.7, "delta": 1e-5}
SIGMA = 5.166492521641296  # scipy.optimize.brentq(lambda s: gaussian_delta(0.7, s) - 1e-5, 0.1, 100)


def table(n=97, columns=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    return x, (x @ rng.normal(size=columns) + rng.normal(size=n) > 0).astype(int)


def test_the_noise_is_the_least_that_keeps_the_promise():
    sigma = perturbation._release(**PROMISE)
    assert sigma == pytest.approx(SIGMA, rel=1e-6)
    assert gaussian_delta(0.7, sigma) == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize("length", [0.5, 3.0])
@pytest.mark.parametrize("spread", [0.02, 5.0])
def test_one_row_moves_the_weights_by_less_than_is_hidden(length, spread):
    """The same seed gives the same noise, so what differs is the minimum."""
    options = PROMISE | {"length": length, "spread": spread, "seed": 3}
    limit = spread / SIGMA  # R / penalty
    x, y = table()
    moved = []
    for seed in range(40):
        row = np.random.default_rng(seed).normal(size=(1, 5)) * 10.0 ** (seed % 5 - 2)
        more = [output_perturbation(np.vstack([x, row]), np.append(y, label), **options) for label in (0, 1)]
        moved += [np.linalg.norm(weights - output_perturbation(x, y, **options)) for weights in more]
    assert max(moved) <= limit


def test_a_row_against_all_others_moves_nearly_all_that_is_allowed():
    """The others make the model sure that it is 1; most of its length is in a direction that they do not hold."""
    x = np.vstack([np.tile([1.0, 0.0], (2_000, 1)), [[-1.0, 0.0]]])
    y = np.append(np.ones(2_000, int), 0)
    odd = np.array([[0.5, np.sqrt(0.75)]])
    options = PROMISE | {"spread": SIGMA / 30, "seed": 0}  # a penalty of 30
    with_it = output_perturbation(np.vstack([x, odd]), np.append(y, 0), **options)
    moved = np.linalg.norm(with_it - output_perturbation(x, y, **options))
    assert 0.5 / 30 < moved <= 1 / 30


def test_the_noise_is_gaussian_with_the_spread_that_was_asked_for():
    x, y = table()
    drawn = np.array([output_perturbation(x, y, **PROMISE, spread=0.3, seed=seed) for seed in range(400)])
    rows = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)
    penalty = SIGMA / 0.3

    def loss(w):
        return np.logaddexp(0, -(2 * y - 1) * (rows @ w)).sum() + penalty / 2 * w @ w

    best = minimize(loss, np.zeros(5), tol=1e-10).x
    assert kstest(((drawn - best) / 0.3).ravel(), "norm").pvalue > 0.01


def test_sums_move_by_less_than_is_hidden_and_get_as_much_noise():
    x, y = table(columns=7)
    for length in (0.4, 1.0, 2.5):
        rows, labels = perturbation._checked(x, y, length)
        squares, products = perturbation._blurred(rows, labels, 0.8, 1)
        moves = []
        for i in range(len(y)):
            less = perturbation._blurred(np.delete(rows, i, 0), np.delete(labels, i), 0.8, 1)
            change = np.append((squares - less[0])[np.triu_indices(7)], products - less[1])
            moves.append(np.linalg.norm(change))
        assert max(moves) <= length * np.hypot(length, 1) + 1e-12
    plain = [perturbation._blurred(rows, labels, 0.0, 0)[0] for _ in range(2)]
    assert np.array_equal(plain[0], rows.T @ rows)
    noise = np.array([perturbation._blurred(rows, labels, 0.8, seed)[0] for seed in range(200)]) - plain[0]
    assert np.allclose(noise, noise.transpose(0, 2, 1))
    assert kstest(noise[:, *np.triu_indices(7)].ravel() / 0.8, "norm").pvalue > 0.01


def test_least_squares_without_noise_is_least_squares():
    x, y = table(2_000)
    weights = noisy_least_squares(x, y, epsilon=1e6, delta=0.5, length=100.0)
    exact = np.linalg.lstsq(x, 2 * y - 1, rcond=None)[0]
    assert np.allclose(weights, exact, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("private", [output_perturbation, noisy_least_squares])
def test_many_rows_are_learned_from_and_a_seed_repeats(private):
    x, y = table(20_000)
    weights = private(x, y, **PROMISE, length=3.0, seed=1)
    free = LogisticRegression(fit_intercept=False).fit(x, y).score(x, y)
    assert np.mean((x @ weights > 0) == y) > free - 0.01 > 0.75
    assert np.array_equal(weights, private(x, y, **PROMISE, length=3.0, seed=1))
    assert not np.array_equal(weights, private(x, y, **PROMISE, length=3.0, seed=2))


@pytest.mark.parametrize("private", [output_perturbation, noisy_least_squares])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.ones(4)}, r"got shapes \(4,\)"),
        ({"y": [0, 1, 1]}, r"and \(3,\)"),
        ({"y": [0, 2, 2, 0]}, "expected labels of 0 and 1"),
        ({"y": [1, 1, 1, 1]}, "both of them"),
        ({"x": [[1.0], [2.0], [np.nan], [3.0]]}, "missing or infinite"),
        ({"epsilon": 0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
        ({"length": -1}, "length"),
    ],
)
def test_what_makes_no_promise_is_refused(private, change, said):
    given = {"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 1, 1, 0], **PROMISE} | change
    with pytest.raises(ValueError, match=said):
        private(given.pop("x"), given.pop("y"), **given)
