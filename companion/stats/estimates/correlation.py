"""Correlations with their intervals."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from companion.checks import check_one_of
from companion.stats.base.checks import as_numbers, check_differs
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level
from companion.stats.base.ties import tied


@same_examples("x", "y")
def correlation_ci(x: ArrayLike, y: ArrayLike, *, method: str = "spearman", level: float = 0.95) -> Interval:
    r"""A correlation with its interval on Fisher's scale.

    .. math:: \tanh\Big(\operatorname{artanh} r \pm z \sqrt{\frac{c}{n - 3}}\Big), \qquad
        c = 1 \text{ (Pearson)}, \quad c = 1 + \frac{r^2}{2} \text{ (Spearman)}

    ``"pearson"`` measures a line and holds for normal pairs only. ``"spearman"`` measures order, ties by mean ranks,
    and hardly minds the distributions.

    Coverage at 95% for 10 to 200 normal pairs with correlations of 0, 0.5 and 0.9 (2,000 samples each): Pearson 0.946
    to 0.961, Spearman 0.949 to 0.967. Pearson for lognormal pairs: 0.94 to 0.96 where they are independent, but 0.74 to
    0.88 at 0.5, and less the more pairs there are. Hence Spearman unless asked.

    Args:
        x: one number an example, at least 4; from 10 on for coverage as said.
        y: another number of the same examples.
        method: ``"spearman"`` or ``"pearson"``.
        level: intended coverage.

    Raises:
        ValueError: for NaN (named by its index), infinity, columns of other lengths, fewer than 4 examples, a constant
            column, a correlation of exactly 1 or -1, which says nothing of its error.

    Source:
        Fisher 1921, *Metron* 1; Bonett and Wright 2000, *Psychometrika* 65.

    >>> judge, people = [3, 5, 2, 4, 1, 5, 2, 3], [2.5, 4.8, 2.9, 4.0, 1.2, 4.1, 1.9, 3.6]
    >>> print(correlation_ci(judge, people))
    The estimate is 0.93, with a 95% confidence interval from 0.56 to 0.99 (Spearman, Bonett-Wright).
    """
    columns = as_numbers(at_least=4, x=x, y=y)
    check_differs("x", columns[0])
    check_differs("y", columns[1])
    check_level(level)
    check_one_of("method", method, ("spearman", "pearson"))
    if method == "spearman":
        columns = [rankdata(tied(column)) for column in columns]
    r = float(np.corrcoef([column / np.abs(column).max() for column in columns])[0, 1])
    if abs(r) > 1 - 1e-12:
        raise ValueError(
            f"expected a correlation within -1 and 1, got {r:.0f} exactly: it has no interval; add examples"
        )
    inflation, name = (1 + r**2 / 2, "Spearman, Bonett-Wright") if method == "spearman" else (1.0, "Pearson, Fisher")
    half_width = ndtri((1 + level) / 2) * np.sqrt(inflation / (len(columns[0]) - 3))
    low, high = np.tanh(np.arctanh(r) + half_width * np.array([-1, 1])).tolist()
    return Interval.around(r, low, high, level, name)
