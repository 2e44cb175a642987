r"""False accepts an hour: how often something is done that nobody asked for.

Events that come independently at a constant rate :math:`\lambda` are Poisson: :math:`k` of them in :math:`T` hours with
mean :math:`\lambda T`. The exact interval (Garwood 1936) holds all rates that the count does not refuse,

.. math::

    \lambda_{\text{low}} = \frac{\chi^2_{\alpha/2,\,2k}}{2T}, \qquad
    \lambda_{\text{high}} = \frac{\chi^2_{1-\alpha/2,\,2k+2}}{2T}.

With no event at all and one side only, :math:`e^{-\lambda T} = \alpha` gives at most :math:`3.0 / T` at 95%. Events
that come in bursts, such as one film that says the word ten times, need wider intervals than these.
"""

from scipy.stats import chi2

from companion.checks import check_whole
from companion.stats import Interval


def false_accepts_per_hour(events: int, hours: float, *, level: float = 0.95, one_sided: bool = False) -> Interval:
    """The rate of false accepts with its exact Poisson interval.

    Args:
        events: how many there were.
        hours: of listening to what should have been ignored.
        level: intended coverage.
        one_sided: an upper bound only, from 0: what a guarantee asks for.

    Raises:
        ValueError: for no whole number of events, no time, or a level outside (0, 1).

    Example:
        >>> print(false_accepts_per_hour(0, 10, one_sided=True))
        The estimate is 0.00, with a 95% confidence interval from 0.00 to 0.30 (Poisson, upper bound).
    """
    check_whole("events", events, at_least=0, advice="count them")
    if not hours > 0 or not 0 < level < 1:
        raise ValueError(f"expected hours above 0 and a level between 0 and 1, got {hours} and {level}")
    tail = 1 - level if one_sided else (1 - level) / 2
    low = chi2.ppf(tail, 2 * events) / 2 if events and not one_sided else 0.0
    high = chi2.ppf(1 - tail, 2 * events + 2) / 2
    method = "Poisson, upper bound" if one_sided else "Poisson, exact"
    return Interval(events / hours, float(low) / hours, float(high) / hours, level, method)
