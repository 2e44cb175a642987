"""Regression: NIST's certified values, exact fractions, statsmodels, leaving clusters out, bad input."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from companion.stats import linear_regression, logistic_regression

# NIST StRD, Filip.dat: y and x of the 82 observations; the model has x to x^10.
FILIP = """
0.8116 -6.860120914 0.9072 -4.324130045 0.9052 -4.358625055 0.9039 -4.358426747 0.8053 -6.955852379 0.8377 -6.661145254
0.8667 -6.355462942 0.8809 -6.118102026 0.7975 -7.115148017 0.8162 -6.815308569 0.8515 -6.519993057 0.8766 -6.204119983
0.8885 -5.853871964 0.8859 -6.109523091 0.8959 -5.79832982 0.8913 -5.482672118 0.8959 -5.171791386 0.8971 -4.851705903
0.9021 -4.517126416 0.909 -4.143573228 0.9139 -3.709075441 0.9199 -3.499489089 0.8692 -6.300769497 0.8872 -5.953504836
0.89 -5.642065153 0.891 -5.031376979 0.8977 -4.680685696 0.9035 -4.329846955 0.9078 -3.928486195 0.7675 -8.56735134
0.7705 -8.363211311 0.7713 -8.107682739 0.7736 -7.823908741 0.7775 -7.522878745 0.7841 -7.218819279 0.7971 -6.920818754
0.8329 -6.628932138 0.8641 -6.323946875 0.8804 -5.991399828 0.7668 -8.781464495 0.7633 -8.663140179 0.7678 -8.473531488
0.7697 -8.247337057 0.77 -7.971428747 0.7749 -7.676129393 0.7796 -7.352812702 0.7897 -7.072065318 0.8131 -6.774174009
0.8498 -6.478861916 0.8741 -6.159517513 0.8061 -6.835647144 0.846 -6.53165267 0.8751 -6.224098421 0.8856 -5.910094889
0.8919 -5.598599459 0.8934 -5.290645224 0.894 -4.974284616 0.8957 -4.64454848 0.9047 -4.290560426 0.9129 -3.885055584
0.9209 -3.408378962 0.9219 -3.13200249 0.7739 -8.726767166 0.7681 -8.66695597 0.7665 -8.511026475 0.7703 -8.165388579
0.7702 -7.886056648 0.7761 -7.588043762 0.7809 -7.283412422 0.7961 -6.995678626 0.8253 -6.691862621 0.8602 -6.392544977
0.8809 -6.067374056 0.8301 -6.684029655 0.8664 -6.378719832 0.8834 -6.065855188 0.8898 -5.752272167 0.8964 -5.132414673
0.8963 -4.811352704 0.9074 -4.098269308 0.9119 -3.66174277 0.9228 -3.2644011
"""

# NIST StRD, Norris.dat: y and x of the 36 observations.
NORRIS_Y = [
    0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9, 10.8,
    557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2,
    0.2,
]  # fmt: skip
NORRIS_X = [
    0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5,
    11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1,
    448.9, 0.5,
]  # fmt: skip

# Certified estimates and standard deviations, https://www.itl.nist.gov/div898/strd/lls/lls.shtml
CERTIFIED = {
    "longley": (
        [-3482258.63459582, 15.0618722713733, -0.358191792925910e-01, -2.02022980381683, -1.03322686717359,
         -0.511041056535807e-01, 1829.15146461355],
        [890420.383607373, 84.9149257747669, 0.334910077722432e-01, 0.488399681651699, 0.214274163161675,
         0.226073200069370, 455.478499142212],
    ),
    "norris": ([-0.262323073774029, 1.00211681802045], [0.232818234301152, 0.429796848199937e-03]),
    "filip": (
        [-1467.48961422980, -2772.17959193342, -2316.37108160893, -1127.97394098372, -354.478233703349,
         -75.1242017393757, -10.8753180355343, -1.06221498588947, -0.670191154593408e-01, -0.246781078275479e-02,
         -0.402962525080404e-04],
        [298.084530995537, 559.779865474950, 466.477572127796, 227.204274477751, 71.6478660875927, 15.2897178747400,
         2.23691159816033, 0.221624321934227, 0.142363763154724e-01, 0.535617408889821e-03, 0.896632837373868e-05],
    ),
    "wampler1": ([1.0] * 6, [0.0] * 6),
}  # fmt: skip


def decimals(name):
    """Response and columns as exact decimals."""
    if name == "longley":
        table = [[Fraction(str(v)) for v in row] for row in sm.datasets.longley.load_pandas().data.to_numpy()]
        return [row[0] for row in table], [row[1:] for row in table]
    if name == "norris":
        return [Fraction(repr(v)) for v in NORRIS_Y], [[Fraction(repr(v))] for v in NORRIS_X]
    if name == "filip":
        pairs = [Fraction(v) for v in FILIP.split()]
        return pairs[::2], [[x**k for k in range(1, 11)] for x in pairs[1::2]]
    return [Fraction(sum(x**k for k in range(6))) for x in range(21)], [
        [Fraction(x**k) for k in range(1, 6)] for x in range(21)
    ]


def exact(y, columns):
    """Least squares and its standard errors in fractions, by elimination: a certificate of its own."""
    x = [[Fraction(1), *row] for row in columns]
    n, p = len(x), len(x[0])
    table = [
        [sum(r[a] * r[b] for r in x) for b in range(p)]
        + [Fraction(int(a == b)) for b in range(p)]
        + [sum(r[a] * v for r, v in zip(x, y, strict=True))]
        for a in range(p)
    ]
    for c in range(p):
        table[c] = [v / table[c][c] for v in table[c]]
        for r in set(range(p)) - {c}:
            table[r] = [v - table[r][c] * w for v, w in zip(table[r], table[c], strict=True)]
    b = [row[-1] for row in table]
    rest = sum((v - sum(s * t for s, t in zip(b, r, strict=True))) ** 2 for r, v in zip(x, y, strict=True)) / (n - p)
    return [float(v) for v in b], [float(rest * table[a][p + a]) ** 0.5 for a in range(p)]


def fitted(name):
    y, columns = decimals(name)
    x = np.array([[float(v) for v in row] for row in columns])
    fit = linear_regression([float(v) for v in y], x, names=[f"x{k}" for k in range(x.shape[1])], errors="classical")
    return [c.value.estimate for c in fit.coefficients], [c.standard_error for c in fit.coefficients]


@pytest.mark.parametrize("name", ["longley", "norris", "wampler1", pytest.param("filip", marks=pytest.mark.slow)])
def test_the_certified_values_follow_from_the_data_in_fractions(name):
    for ours, certified in zip(exact(*decimals(name)), CERTIFIED[name], strict=True):
        np.testing.assert_allclose(ours, certified, rtol=1e-13)


@pytest.mark.parametrize(("name", "digits"), [("longley", 11), ("norris", 11), ("wampler1", 8), ("filip", 7)])
def test_certified_values(name, digits):
    # Wampler1: the ninth digit depends on the processor's kernel of BLAS.
    # Filip: in float64 the powers themselves are rounded, and their exact solution keeps 7.6 digits of NIST's.
    estimates, errors = fitted(name)
    np.testing.assert_allclose(estimates, CERTIFIED[name][0], rtol=10.0**-digits)
    np.testing.assert_allclose(errors, CERTIFIED[name][1], rtol=10.0**-digits, atol=1e-9 if name == "wampler1" else 0)


def sample(n=67, *, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) @ np.diag([1, 100, 0.01]) + [5, -2, 0]
    line = x @ [0.5, 0.01, -30]
    return x, line + rng.normal(size=n) * np.exp(x[:, 0] / 4), (rng.random(n) < 1 / (1 + np.exp(-line + 2))).astype(int)


# NIST StRD, NoInt1.dat and NoInt2.dat, certified: slope, its standard deviation, residual standard deviation, R².
NO_INTERCEPT = {
    "NoInt1": (
        range(60, 71),
        range(130, 141),
        2.07438016528926,
        0.0165289256198347,
        3.56753034006338,
        0.999365492298663,
    ),
    "NoInt2": ((4, 5, 6), (3, 4, 4), 0.727272727272727, 0.0420827318078432, 0.369274472937998, 0.993348115299335),
}


@pytest.mark.parametrize("name", NO_INTERCEPT)
def test_certified_values_without_an_intercept(name):
    x, y, slope, error, residual_sd, r_squared = NO_INTERCEPT[name]
    fit = linear_regression(y, x, names=["x"], errors="classical", intercept=False)
    [coefficient] = fit.coefficients
    assert coefficient.value.estimate == pytest.approx(slope, rel=1e-14)
    assert coefficient.standard_error == pytest.approx(error, rel=1e-12)
    assert fit.residual_sd == pytest.approx(residual_sd, rel=1e-13)
    assert fit.r_squared == pytest.approx(r_squared, rel=1e-14)
    assert slope == pytest.approx(float(Fraction(sum(a * b for a, b in zip(x, y, strict=True)), sum(a * a for a in x))))


@pytest.mark.parametrize(("errors", "kind"), [("hc3", "HC3"), ("classical", "nonrobust")])
def test_a_fit_without_an_intercept_is_that_of_statsmodels(errors, kind):
    x, y, _ = sample()
    ours = linear_regression(y, x, names=["a", "b", "c"], errors=errors, intercept=False, level=0.9)
    theirs = sm.OLS(y, x).fit(cov_type=kind, use_t=True)
    frame = ours.frame
    assert list(frame["name"]) == ["a", "b", "c"]
    np.testing.assert_allclose(frame["value_estimate"], theirs.params, rtol=1e-9)
    np.testing.assert_allclose(frame["standard_error"], theirs.bse, rtol=1e-9)
    np.testing.assert_allclose(frame["p_value"], theirs.pvalues, rtol=1e-7, atol=1e-300)
    assert ours.r_squared == pytest.approx(theirs.rsquared)
    new = theirs.get_prediction(x[:5]).summary_frame(alpha=0.1)
    np.testing.assert_allclose(ours.predict(x[:5], level=0.9)["mean_low"], new["mean_ci_lower"], rtol=1e-9)
    assert ours.predict(np.zeros((1, 3)))["mean"].item() == 0
    assert "no intercept" in str(ours)
    assert len(ours.plot().get_yticks()) == 3


def test_clusters_without_an_intercept_are_left_out_in_turn():
    x, y, _ = sample(60)
    clusters = np.repeat(np.arange(12), 5)
    fit = linear_regression(y, x, names=["a", "b", "c"], errors="cluster", clusters=clusters, intercept=False)
    full = np.linalg.lstsq(x, y, rcond=None)[0]
    left = [np.linalg.lstsq(x[clusters != g], y[clusters != g], rcond=None)[0] - full for g in range(12)]
    expected = np.sqrt(np.sum(np.square(left), axis=0))
    np.testing.assert_allclose([c.standard_error for c in fit.coefficients], expected, rtol=1e-8)


@pytest.mark.parametrize(("errors", "kind"), [("hc3", "HC3"), ("classical", "nonrobust")])
def test_the_linear_fit_is_that_of_statsmodels(errors, kind):
    x, y, _ = sample()
    ours = linear_regression(y, x, names=["a", "b", "c"], errors=errors, level=0.9)
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type=kind, use_t=True)
    np.testing.assert_allclose([c.value.estimate for c in ours.coefficients], theirs.params, rtol=1e-9)
    np.testing.assert_allclose(
        [(c.value.low, c.value.high) for c in ours.coefficients], theirs.conf_int(0.1), rtol=1e-8
    )
    np.testing.assert_allclose([c.p_value for c in ours.coefficients], theirs.pvalues, rtol=1e-7)
    assert ours.r_squared == pytest.approx(theirs.rsquared)
    new = x[:5] + 1
    summary = theirs.get_prediction(sm.add_constant(new)).summary_frame(alpha=0.1)
    prediction = ours.predict(new, level=0.9)
    np.testing.assert_allclose(prediction[["mean", "mean_low", "mean_high"]], summary.iloc[:, [0, 2, 3]], rtol=1e-8)
    np.testing.assert_allclose(prediction[["new_low", "new_high"]], summary.iloc[:, [4, 5]], rtol=1e-8)


def test_the_logistic_fit_is_that_of_statsmodels():
    x, _, y = sample(211)
    ours = logistic_regression(y, x, names=["a", "b", "c"], errors="classical")
    theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    np.testing.assert_allclose([c.value.estimate for c in ours.coefficients], theirs.params, rtol=1e-6)
    np.testing.assert_allclose([(c.value.low, c.value.high) for c in ours.coefficients], theirs.conf_int(), rtol=1e-6)
    np.testing.assert_allclose([c.p_value for c in ours.coefficients], theirs.pvalues, rtol=1e-5)
    assert ours.r_squared == pytest.approx(theirs.prsquared)
    summary = theirs.get_prediction(sm.add_constant(x[:5] + 1)).summary_frame()
    theirs_at = summary[["predicted", "ci_lower", "ci_upper"]]
    np.testing.assert_allclose(ours.predict(x[:5] + 1), theirs_at, atol=1e-6)


def test_a_far_out_row_does_not_make_the_likelihood_run_away():
    # statsmodels' own Newton steps overflow here
    y = [1, 0, 0, 0, 0, 0, 0, 1, 0]
    x = [[0, 0], [0, -544], [0, -1], [0, -1], [0, -1], [1, -2], [0, 1], [0, 0], [-1, 0]]
    fit = logistic_regression(y, x, names=["a", "b"], errors="classical")
    np.testing.assert_allclose(fit.design.basis.T @ (y - fit.fitted), 0, atol=1e-6)  # the score vanishes at the maximum


def test_leaving_clusters_out_of_the_linear_fit():
    x, y, _ = sample(149)
    clusters = np.arange(149) % 13
    ours = linear_regression(y, x, names=["a", "b", "c"], errors="cluster", clusters=clusters)
    design = sm.add_constant(x)
    changes = [sm.OLS(y[clusters != g], design[clusters != g]).fit().params for g in range(13)]
    squares = np.sum((np.array(changes) - sm.OLS(y, design).fit().params) ** 2, axis=0)
    np.testing.assert_allclose([c.standard_error for c in ours.coefficients], np.sqrt(squares), rtol=1e-8)
    assert ours.degrees_of_freedom == 12
    theirs = sm.OLS(y, design).fit(cov_type="cluster-crv3", cov_kwds={"groups": clusters})  # which shrinks it a little
    np.testing.assert_allclose(theirs.bse * np.sqrt(13 / 12), np.sqrt(squares), rtol=1e-8)


def test_a_row_is_the_least_cluster():
    x, y, labels = sample(97)
    for fit, response in ((linear_regression, y), (logistic_regression, labels)):
        rows = fit(response, x, names=["a", "b", "c"], errors="hc3")
        clusters = fit(response, x, names=["a", "b", "c"], errors="cluster", clusters=np.arange(97))
        np.testing.assert_allclose(rows.covariance, clusters.covariance, rtol=1e-7)


def test_hc3_of_the_logistic_fit_is_the_published_sandwich():
    x, _, y = sample(97)
    theirs = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-14)
    h = theirs.get_hat_matrix_diag()
    meat = sm.add_constant(x) * ((y - theirs.fittedvalues) / (1 - h))[:, None]  # R: sandwich::vcovHC(glm, type = "HC3")
    expected = np.sqrt(np.diag(theirs.cov_params() @ meat.T @ meat @ theirs.cov_params()))
    ours = logistic_regression(y, x, names=["a", "b", "c"])
    np.testing.assert_allclose([c.standard_error for c in ours.coefficients], expected, rtol=1e-6)


def test_units_of_columns_change_coefficients_and_nothing_else():
    x, y, _ = sample()
    small, large = (linear_regression(y, x * unit, names=["a", "b", "c"]) for unit in (1e-9, 1e9))
    np.testing.assert_allclose(small.fitted, large.fitted, rtol=1e-9)
    assert small.coefficients[2].value.low == pytest.approx(1e18 * large.coefficients[2].value.low)


def test_text_frame_and_pictures():
    x, y, labels = sample()
    linear = linear_regression(y, pd.DataFrame(x, columns=["a", "b", "c"]), names=["a", "b", "c"])
    logistic = logistic_regression(labels, x, names=["a", "b", "c"])
    assert list(linear.frame["name"]) == ["intercept", "a", "b", "c"]
    assert "with 'b' (95% interval" in str(linear)
    assert str(logistic).startswith("Per unit, all else equal, the log-odds change by ")
    for fit in (linear, logistic):
        assert [label.get_text() for label in fit.plot().get_yticklabels()] == ["a", "b", "c"]
        assert len(fit.plot_diagnostics()) == 2
    plt.close("all")


def test_a_dependent_column_is_found_among_many_rows():
    x = np.random.default_rng(0).normal(size=(50_000, 2))  # whose rounding errors add up
    with pytest.raises(ValueError, match="got 'a', 'b', 'c' dependent"):
        linear_regression(x[:, 0] + x[:, 1] ** 2, np.column_stack([x, x[:, 0] - x[:, 1]]), names=["a", "b", "c"])


X = np.random.default_rng(1).normal(size=(31, 2))
Y = X @ [1, -1] + np.random.default_rng(2).normal(size=31)
LABELS = (Y > 0).astype(int)


def with_nan(values, row):
    values = values.copy()
    values[row] = np.nan
    return values


AB = {"names": ["a", "b"]}
BAD = [
    (Y, np.column_stack([X, X[:, 0] - X[:, 1]]), {"names": ["a", "b", "c"]}, r"got 'a', 'b', 'c' dependent"),
    (Y, np.column_stack([X[:, 0], np.ones(31)]), AB, r"got constant 'b'; the intercept is there"),
    (Y[:3], X[:3], AB, r"more rows than coefficients, got 3 rows for 3"),
    (Y, np.full((31, 2), np.inf), AB, r"x to be finite numbers"),
    (Y, with_nan(X, 5), AB, r"the first at index 5"),
    (with_nan(Y, 7), X, AB, r"y without missing values.*at index 7"),
    (np.ones(31), X, AB, r"y to hold values that differ"),
    (Y[:-1], X, AB, r"a row of x for each y, got 31 for 30"),
    (Y, X, {"names": ["a"]}, r"x as \[examples, 1\]"),
    (Y, X, {"names": ["a", "a"]}, r"all different"),
    (Y, X, {"names": 3}, r"names in a list, got 3"),
    (Y, 1e-300 * X, AB, r"column 'a' of x in a unit .*1e-60"),
    (Y, X, {"names": ["a", "intercept"]}, r"none 'intercept'"),
    (Y, X, AB | {"errors": "hc0"}, r"errors to be one of hc3, classical, cluster"),
    (Y, X, AB | {"errors": "cluster"}, r"clusters together with errors='cluster'"),
    (Y, X, AB | {"clusters": range(31)}, r"clusters together with errors='cluster'"),
    (Y, X, AB | {"errors": "cluster", "clusters": [0, 1] * 15 + [0]}, r"at least 10 clusters, got 2"),
    (Y, X, AB | {"errors": "cluster", "clusters": [None] * 31}, r"clusters without missing"),
    (Y, np.column_stack([X[:, 0], np.arange(31) == 7]), AB, r"row 7 alone does"),
    (Y, X, AB | {"level": 95}, r"write 0.95 for 95%"),
    (Y[:2], X[:2], AB | {"intercept": False}, r"more rows than coefficients, got 2 rows for 2: nothing"),
    (Y, X * [1, 0], AB | {"intercept": False}, r"columns that are not all 0, got 'b'"),
    (np.zeros(31), X, AB | {"intercept": False}, r"y to hold values that differ"),
]


@pytest.mark.parametrize(("y", "x", "options", "message"), BAD)
def test_linear_regression_refuses(y, x, options, message):
    with pytest.raises(ValueError, match=message):
        linear_regression(y, x, **options)


def test_a_cluster_that_alone_determines_a_coefficient_is_refused():
    clusters = np.arange(31) % 11
    x = np.column_stack([X[:, 0], clusters == 3])
    with pytest.raises(ValueError, match=r"the cluster of row 3 alone"):
        linear_regression(Y, x, **AB, errors="cluster", clusters=clusters)


ALIKE = np.arange(31) % 2
BAD_LOGISTIC = [
    (Y, X, r"y to hold only 0 and 1"),
    (np.zeros(31), X, r"got only 0.0; add examples"),
    ((X[:, 0] > 0).astype(int), X[:, ::-1], r"classes that overlap, got .*'b'.* without error"),
    (np.where(ALIKE == 1, 1, LABELS), np.column_stack([X[:, 0], ALIKE]), r"overlap, got 'b' telling"),  # half of them
]


@pytest.mark.parametrize(("y", "x", "message"), BAD_LOGISTIC)
def test_logistic_regression_refuses(y, x, message):
    with pytest.raises(ValueError, match=message):
        logistic_regression(y, x, **AB)
