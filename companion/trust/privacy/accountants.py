r"""How much a training run can tell about one person: :math:`\epsilon` at a given :math:`\delta`, by four ledgers.

DP-SGD (Abadi et al. 2016): each step takes every example with probability :math:`q`, clips its gradient to length
:math:`C`, and adds noise of standard deviation :math:`\sigma C` to the sum. All four ledgers are upper bounds for the
same run; what differs is how much each gives away. Neighbors differ by one example that is there or not.
"""

import warnings
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_ndtr, logsumexp

from companion.checks import check_one_of, check_whole, is_number
from companion.stats.base.options import check_between, check_positive

Accountant = Literal["strong", "moments", "rdp", "prv"]
#: Orders as opacus has them: 1.1, 1.2, ... 10.9, 12, 13, ... 63.
_ORDERS = [1 + k / 10 for k in range(1, 100)] + list(range(12, 64))
_MOMENTS = range(2, 34)  # orders λ + 1 of Abadi et al., λ up to 32


def epsilon(sigma: float, *, q: float, steps: int, delta: float, accountant: Accountant = "prv") -> float:
    r"""The :math:`\epsilon` of a run at ``delta``.

    ============  =============================================================================================
    accountant    how
    ============  =============================================================================================
    ``strong``    exact :math:`(\epsilon_0, \delta_0)` of a step (Balle and Wang 2018), amplified by sampling to
                  :math:`\ln(1 + q (e^{\epsilon_0} - 1))`, then strong composition (Dwork, Rothblum and Vadhan 2010)
    ``moments``   Rényi divergences of orders 2 to 33, turned by Markov's inequality (Abadi et al. 2016)
    ``rdp``       those of many orders, turned more sharply (Canonne, Kamath and Steinke 2020), as opacus does
    ``prv``       the distribution of the privacy loss itself, by Fourier transform (Gopi, Lee and Wutschitz 2021), to
                  within .01; opacus computes it
    ============  =============================================================================================

    Args:
        sigma: noise beside the clipping length, the noise multiplier.
        q: sampling rate, batch size over examples, in (0, 1].
        steps: of the run.
        delta: probability that the promise may fail; well below 1 over the number of examples.
        accountant: which ledger.

    Raises:
        ImportError: for ``prv`` without opacus.
        ValueError: for numbers outside their ranges, or another accountant.

    >>> run = dict(q=0.01, steps=10_000, delta=1e-5)  # 100 epochs
    >>> [round(epsilon(4.0, **run, accountant=by), 3) for by in ("strong", "moments", "rdp")]
    [16.844, 1.259, 1.035]
    """
    check_positive("sigma", sigma)
    _check_rate(q)
    check_whole("steps", steps, at_least=1, advice="it is how many updates the run makes")
    check_between("delta", delta, 0, 1)
    check_one_of("accountant", accountant, get_args(Accountant))
    if accountant == "strong":
        return _strong(sigma, q, steps, delta)
    if accountant == "prv":
        return _prv(sigma, q, steps, delta)
    if accountant == "moments":
        bounds = [steps * renyi_divergence(a, sigma=sigma, q=q) - np.log(delta) / (a - 1) for a in _MOMENTS]
        return float(min(bounds))
    turned = [
        steps * renyi_divergence(a, sigma=sigma, q=q) + np.log1p(-1 / a) - np.log(delta * a) / (a - 1) for a in _ORDERS
    ]
    return max(0.0, float(min(turned)))


def noise_multiplier(target: float, *, q: float, steps: int, delta: float, accountant: Accountant = "prv") -> float:
    """The least noise with which a run keeps :math:`\\epsilon` at ``target``, to three digits, never too little.

    Other arguments as :func:`epsilon`.

    Raises:
        ValueError: for a target that is not positive, or that no noise up to 1,000 reaches.

    >>> sigma = noise_multiplier(1.0, q=0.01, steps=10_000, delta=1e-5, accountant="rdp")
    >>> epsilon(sigma, q=0.01, steps=10_000, delta=1e-5, accountant="rdp") <= 1.0
    True
    """
    check_positive("target", target)

    def excess(sigma: float) -> float:
        return epsilon(sigma, q=q, steps=steps, delta=delta, accountant=accountant) - target

    low, high = 0.3, 1.0
    while excess(high) > 0:
        low, high = high, 2 * high
        if high > 1_000:
            raise ValueError(f"expected a target that noise up to 1,000 reaches, got {target}: take fewer steps")
    if excess(low) <= 0:
        return low
    root = float(brentq(excess, low, high, rtol=1e-4))
    return root * 1.001 if excess(root) > 0 else root


def renyi_divergence(order: float, *, sigma: float, q: float) -> float:
    r"""The Rényi divergence of one step, with one example and without it.

    .. math:: \frac{1}{a - 1} \ln \mathbb{E}_{z \sim N(0, \sigma^2)}
        \Big[\big(1 - q + q\, e^{(2z - 1) / 2\sigma^2}\big)^a\Big]

    Args:
        order: :math:`a`, above 1.
        sigma: noise multiplier.
        q: sampling rate.

    Raises:
        ValueError: for an order of 1 or less, noise that is not positive, or a rate outside (0, 1].

    Source:
        Mironov, Talwar and Zhang 2019, *Rényi differential privacy of the sampled Gaussian mechanism*. The other
        direction is never larger (their theorem 5).
    """
    check_between("order", order, 1, float("inf"))
    check_positive("sigma", sigma)
    _check_rate(q)
    if q == 1:
        return order / (2 * sigma**2)
    low, high, n = -40 * sigma, 40 * sigma + order + 1, 60_001
    z, step = np.linspace(low, high, n), (high - low) / (n - 1)
    log_mass = -(z**2) / (2 * sigma**2) - np.log(sigma * np.sqrt(2 * np.pi)) + np.log(step)
    log_ratio = order * np.logaddexp(np.log1p(-q), np.log(q) + (2 * z - 1) / (2 * sigma**2))
    log_moment = float(logsumexp(log_mass + log_ratio))
    if log_moment < 0.5:  # as log(1 + x), or the digits of a small x are lost
        small = np.exp(log_mass) * np.expm1(np.minimum(log_ratio, 100.0))
        log_moment = float(np.log1p(np.where(log_ratio < 100, small, np.exp(log_mass + log_ratio)).sum()))
    return max(0.0, log_moment / (order - 1))


def gaussian_delta(eps: float, sigma: float) -> float:
    r"""The exact :math:`\delta` of one release with Gaussian noise, for a change of at most 1.

    .. math:: \Phi\Big(\frac{1}{2\sigma} - \epsilon\sigma\Big) - e^\epsilon \Phi\Big(-\frac{1}{2\sigma} -
        \epsilon\sigma\Big)

    Raises:
        ValueError: for an epsilon below 0, or noise that is not positive.

    Source:
        Balle and Wang 2018, theorem 8.
    """
    if not is_number(eps) or not 0 <= eps < float("inf"):
        raise ValueError(f"expected eps to be a number of at least 0, got {eps!r}")
    check_positive("sigma", sigma)
    first = log_ndtr(1 / (2 * sigma) - eps * sigma)
    second = eps + log_ndtr(-1 / (2 * sigma) - eps * sigma)
    return float(-np.exp(first) * np.expm1(second - first))


def _check_rate(q: float) -> None:
    if not is_number(q) or not 0 < q <= 1:
        raise ValueError(f"expected q above 0 and of at most 1, got {q!r}: it is batch size over examples")


def _gaussian_epsilon(delta: float, sigma: float) -> float:
    if gaussian_delta(0.0, sigma) <= delta:
        return 0.0
    high = 1.0
    while gaussian_delta(high, sigma) > delta:
        high *= 2
    return float(brentq(lambda e: gaussian_delta(e, sigma) - delta, 0.0, high))


def _strong(sigma: float, q: float, steps: int, delta: float) -> float:
    def composed(share: float) -> float:
        """With this share of delta for the steps, the rest for their composition."""
        one = _gaussian_epsilon(share * delta / (steps * q), sigma)
        step = float(np.log1p(q * np.expm1(one)))
        return step * np.sqrt(2 * steps * np.log(1 / ((1 - share) * delta))) + steps * step * np.expm1(step)

    return float(minimize_scalar(composed, bounds=(1e-6, 1 - 1e-6), method="bounded").fun)


def _prv(sigma: float, q: float, steps: int, delta: float) -> float:
    try:
        from opacus.accountants import PRVAccountant
    except ImportError as error:
        raise ImportError('expected opacus, got none: run pip install "large-models-companion[trust]"') from error
    accountant = PRVAccountant()
    accountant.history = [(sigma, q, steps)]
    compute: Callable[..., float] = accountant.get_epsilon
    with np.errstate(divide="ignore"), warnings.catch_warnings():  # it takes the logarithm of densities that are 0
        warnings.filterwarnings("ignore", message="Optimal order")  # of a bound that it cuts its grid by
        return float(compute(delta))
