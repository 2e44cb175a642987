"""A market of products of guesses: moments and indices in closed form."""

import numpy as np
import pytest
from scipy.stats import lognorm, norm, uniform

from companion.economics.market import total_market


def test_a_product_of_lognormals():
    size = total_market({"customers": lognorm(0.5, scale=50_000), "price": lognorm(0.3, scale=120)})
    spread = np.hypot(0.5, 0.3)
    assert size.quantile(0.5) == pytest.approx(6e6, rel=0.02)
    assert size.quantile(0.95) == pytest.approx(6e6 * np.exp(1.6449 * spread), rel=0.03)
    assert size.mean == pytest.approx(6e6 * np.exp(spread**2 / 2), rel=0.02)
    variances = {"customers": np.expm1(0.25), "price": np.expm1(0.09)}
    of_all = np.expm1(spread**2)
    for name, variance in variances.items():
        assert size.sensitivities["alone"][name] == pytest.approx(variance / of_all, abs=0.03)
        (other,) = variances.keys() - {name}
        assert size.sensitivities["in_all"][name] == pytest.approx(1 - variances[other] / of_all, abs=0.03)


def test_a_formula_of_one_s_own():
    size = total_market({"a": norm(10, 1), "b": norm(5, 2)}, lambda a, b: a - b)
    assert size.mean == pytest.approx(5, abs=0.05)
    assert size.sensitivities["alone"].tolist() == pytest.approx([0.2, 0.8], abs=0.02)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: total_market({"a": uniform()}), "two factors"),
        (lambda: total_market({"a": 3.0, "b": uniform()}), "frozen distribution"),
        (lambda: total_market({"a": uniform(), "b": uniform()}, n_draws=1_000), "power of 2"),
        (lambda: total_market({"a": uniform(), "b": uniform()}, lambda a, b: b / (a - a)), "finite size"),
        (lambda: total_market({"a": uniform(), "b": uniform()}, lambda a, b: 1.0), "finite size"),
        (lambda: total_market({"a": uniform(), "b": uniform()}).quantile(2), "share"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
