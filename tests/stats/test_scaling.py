"""Scaling laws: the published constants recovered, the optimum against a search, SciPy's fit, coverage, bad input."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import least_squares, minimize_scalar
from scipy.stats import t

from companion.stats import Interval, chinchilla, power_law
from companion.stats.scaling.loglaw import LogLaw

E, A, B, ALPHA, BETA = 1.69, 406.4, 410.7, 0.34, 0.28  # Hoffmann et al. 2022, equation 10
SIZES = np.geomspace(1e7, 1e10, 8)
N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(5e7, 1e10, 5), np.geomspace(1e9, 3e11, 5)))


def loss_of(n, d):
    return E + A / n**ALPHA + B / d**BETA


def noisy(loss, sd, seed=0):
    return loss * np.exp(sd * np.random.default_rng(seed).normal(size=len(loss)))


@pytest.fixture(scope="module")
def published():
    return chinchilla(N, D, loss_of(N, D))


def test_a_power_law_is_recovered():
    law = power_law(SIZES, E + A / SIZES**ALPHA)
    found = [law.irreducible.estimate, law.coefficient.estimate, law.exponent.estimate]
    np.testing.assert_allclose(found, [E, A, ALPHA], rtol=1e-5)
    assert law.predict(1e11).loss.estimate == pytest.approx(E + A / 1e11**ALPHA, rel=1e-6)


def test_the_published_constants_are_recovered(published):
    law = published
    found = [law.irreducible, law.coefficient_n, law.exponent_n, law.coefficient_d, law.exponent_d]
    np.testing.assert_allclose([interval.estimate for interval in found], [E, A, ALPHA, B, BETA], rtol=1e-4)


def test_the_optimum_is_that_of_a_search(published):
    optimum = published.compute_optimal(1e22)
    search = minimize_scalar(lambda log_n: loss_of(np.exp(log_n), 1e22 / 6 / np.exp(log_n)), bounds=(15, 30))
    assert optimum.parameters.estimate == pytest.approx(np.exp(search.x), rel=1e-3)
    assert 6 * optimum.parameters.estimate * optimum.tokens.estimate == pytest.approx(1e22)
    assert 6 * optimum.parameters.low * optimum.tokens.high == pytest.approx(1e22)
    assert optimum.loss.estimate == pytest.approx(search.fun, rel=1e-6)


def test_the_fit_minimizes_hubers_loss_of_scipy():
    loss = noisy(E + A / SIZES**ALPHA, 0.02)
    law = power_law(SIZES, loss)

    def residuals(theta):
        return np.logaddexp(theta[0], theta[1] - theta[2] * np.log(SIZES / 1e8)) - np.log(loss)

    start = [np.log(1.5), 0.0, 0.3]
    theirs = least_squares(residuals, start, loss="huber", f_scale=1.345 * law.noise_sd, xtol=1e-12, ftol=1e-12)
    assert law.irreducible.estimate == pytest.approx(np.exp(theirs.x[0]), rel=1e-4)
    assert law.exponent.estimate == pytest.approx(theirs.x[2], rel=1e-4)


def test_without_outliers_intervals_are_close_to_walds_of_least_squares():
    sizes = np.geomspace(1e7, 1e10, 97)
    loss = noisy(E + A / sizes**ALPHA, 0.002)
    law = power_law(sizes, loss)

    def residuals(theta):
        return np.logaddexp(theta[0], theta[1] - theta[2] * np.log(sizes / 1e8)) - np.log(loss)

    fit = least_squares(residuals, [np.log(1.5), 0.0, 0.3])
    error = np.sqrt(np.linalg.inv(fit.jac.T @ fit.jac)[2, 2] * 2 * fit.cost / 94)
    wald = fit.x[2] + t.ppf(0.975, 94) * error * np.array([-1, 1])
    np.testing.assert_allclose([law.exponent.low, law.exponent.high], wald, atol=0.5 * error)


def test_one_run_that_diverged_moves_little():
    sizes = np.geomspace(1e7, 1e10, 16)
    loss = noisy(E + A / sizes**ALPHA, 0.005)
    clean = power_law(sizes, loss).predict(1e10).loss.estimate
    loss[8] *= 1.5
    assert power_law(sizes, loss).predict(1e10).loss.estimate == pytest.approx(clean, rel=0.01)


def test_units_of_size_do_not_matter():
    loss = noisy(E + A / SIZES**ALPHA, 0.01)
    runs, millions = power_law(SIZES, loss), power_law(SIZES / 1e6, loss)
    for name in ("irreducible", "exponent"):
        ours, theirs = getattr(runs, name), getattr(millions, name)
        np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-3)
    assert runs.predict(1e11).loss.high == pytest.approx(millions.predict(1e5).loss.high, rel=1e-4)


def test_intervals_hold_the_estimate_and_grow_with_the_distance():
    law = power_law(SIZES, noisy(E + A / SIZES**ALPHA, 0.01))
    near, far = law.predict(1e9).loss, law.predict(1e13).loss
    for interval in (law.irreducible, law.coefficient, law.exponent, near, far):
        assert interval.low < interval.estimate < interval.high
    assert far.high - far.low > near.high - near.low


def truth_inside(law, truth, monkeypatch, predict):
    """Whether the truth is among the values not refused, which spares the search for the bounds."""
    inside = []

    def profile(self, reduce, expand, *, level):
        value, free = reduce(truth)
        starts = (free, reduce(self.theta)[1])
        cost = min(self._minimum(partial(expand, value), start)[1] for start in starts)
        allowed = self.unit * t.ppf((1 + level) / 2, len(self.target) - len(self.theta)) ** 2
        inside.append(cost - self._objective(self.theta) <= allowed)
        return 0.0, 0.0, 0.0

    monkeypatch.setattr(LogLaw, "profile", profile)
    predict(law())
    return inside


def power_coverage(n, sd, decades, n_samples, monkeypatch):
    sizes = np.geomspace(1e7, 10 ** (7 + decades), n)
    truth = np.array([np.log(E), np.log(A) - ALPHA * np.log(sizes).mean(), np.log(ALPHA)])
    inside = [
        truth_inside(
            partial(power_law, sizes, noisy(E + A / sizes**ALPHA, sd, seed)),
            truth, monkeypatch, lambda law: law.predict(10 * sizes[-1]),
        )
        for seed in range(n_samples)
    ]  # fmt: skip
    return np.mean(inside, axis=0)


def test_profiles_cover(monkeypatch):
    assert (power_coverage(8, 0.01, 3, 40, monkeypatch) >= 0.82).all()


def test_text_frame_and_pictures():
    law = power_law(SIZES, noisy(E + A / SIZES**ALPHA, 0.01))
    assert "beyond" not in str(law.predict(9e10))
    assert "this lies 100 times beyond the data" in str(law.predict(1e12))
    assert "this lies 100 times beyond the data" in str(law.predict(1e5))
    assert isinstance(law.exponent, Interval)
    assert law.frame.loc[0, "exponent_estimate"] == law.exponent.estimate
    assert law.plot().get_xscale() == "log"
    plt.close("all")


def test_a_step_has_next_to_no_upper_bound_of_its_exponent():
    loss = np.array([3.0, 2.01, 2.0, 1.99, 2.0, 2.01, 1.99, 2.0])  # how steeply it fell before the second run is open
    law = power_law(SIZES, loss)
    assert law.exponent.high > 10 * law.exponent.estimate
    assert "to inf (profile)" in str(Interval(2.0, 1.0, np.inf, 0.95, "profile"))


def test_a_budget_beyond_the_data_is_told(published):
    assert "beyond" not in str(published.compute_optimal(1e21))
    assert "beyond the data, where the interval holds only if the law does" in str(published.compute_optimal(1e26))


LOSS = E + A / SIZES**ALPHA
BAD = [
    (SIZES[:4], LOSS[:4], r"x to hold at least 5 values, got 4"),
    (np.r_[-1, SIZES[1:]], LOSS, r"x to be positive, got -1 at index 0"),
    (SIZES, np.r_[LOSS[:7], 0], r"loss to be positive, got 0 at index 7"),
    (np.full(8, 1e9), LOSS, r"x of at least 3 values, got 1"),
    (np.repeat([1e8, 1e9], 4), LOSS, r"x of at least 3 values, got 2"),
    (SIZES, np.full(8, 2.0), r"loss to hold values that differ"),
    (SIZES, np.r_[LOSS[:3], np.nan, LOSS[4:]], r"loss without missing values.*index 3"),
    (SIZES, LOSS[:7], r"x has 8, loss has 7"),
    (np.r_[1e-300, SIZES[1:]], LOSS, r"x within a factor of 1e\+30, got 1e-300 to"),
    (SIZES, LOSS[::-1], r"losses that fall with the size, got none"),
]


def test_a_bound_that_the_data_do_not_set_is_said_to_be_none():
    law = power_law([1, 2.15, 4.64, 10, 21.5, 46.4, 100], [1.49, 0.68, 0.53, 0.46, 0.51, 0.57, 0.48])
    assert law.exponent.high == np.inf
    assert "no upper bound" in str(law.exponent)
    assert "upwards, with no upper bound" in str(law)


@pytest.mark.parametrize(("x", "loss", "message"), BAD)
def test_power_law_refuses(x, loss, message):
    with pytest.raises(ValueError, match=message):
        power_law(x, loss)


def test_chinchilla_refuses(published):
    with pytest.raises(ValueError, match="at least 7 values, got 6"):
        chinchilla(N[:6], D[:6], loss_of(N, D)[:6])
    with pytest.raises(ValueError, match="in a fixed relation to parameters"):
        chinchilla(N, 20 * N, loss_of(N, 20 * N))
    with pytest.raises(ValueError, match="tokens to be positive, got 0"):
        chinchilla(N, 0 * D, loss_of(N, D))
    with pytest.raises(ValueError, match="flops to be a positive number, got -1"):
        published.compute_optimal(-1)
    with pytest.raises(ValueError, match="within a factor of 1e\\+30 of the data"):
        published.compute_optimal(5e-324)
    with pytest.raises(ValueError, match="within a factor of 1e\\+30 of the data"):
        published.predict(1e300, 1e9)
    with pytest.raises(ValueError, match="tokens to be a positive number, got 0"):
        published.predict(1e9, 0)
