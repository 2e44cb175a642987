"""GO, NO-GO or LEARN: the best option, what an experiment is worth, and what would change the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from companion.checks import check_whole
from companion.economics.market import value_of_information
from companion.economics.plans.plan import DecisionPlan

_NOTHING = "do nothing"
_STEPS = 81  # values of each quantity at which the options are compared


@dataclass(frozen=True)
class Verdict:
    """What a plan comes to.

    Attributes:
        answer: LEARN where an experiment is worth more than it costs; else GO, or NO-GO where doing nothing is best.
        option: with the highest mean.
        options: a row an option: ``mean`` dollars, ``low`` and ``high`` (the 5th and 95th percentile), ``loses`` (how
            probable that it loses money) and ``best`` (that no other option is better).
        experiments: a row an experiment: ``worth`` dollars before the decision, ``cost``, ``net``; the best first.
        changes: a row for each value at which another option becomes the best: ``quantity``, ``value``, the option
            ``below`` and ``above`` it, and ``probability`` that the quantity lies on the other side than its mean.
        everything: dollars that it would be worth to know all quantities; no experiment is worth more.
    """

    answer: Literal["GO", "NO-GO", "LEARN"]
    option: str
    options: pd.DataFrame
    experiments: pd.DataFrame
    changes: pd.DataFrame
    everything: float


def decide(plan: DecisionPlan, *, n_draws: int = 2**15, seed: int = 0) -> Verdict:
    r"""Decides by the mean, after the value of what could be asked first.

    The quantities are independent. An experiment that tells a quantity :math:`\theta` is worth
    :math:`\mathbb{E}_\theta[\max_d \mathbb{E}[u_d \mid \theta]] - \max_d \mathbb{E}[u_d]`; one that asks :math:`k`
    people has the number of those who say yes in the place of :math:`\theta`, which is binomial.

    Args:
        plan: from :func:`read_plan`.
        n_draws: worlds.
        seed: of the draws.

    Raises:
        ValueError: for fewer than 1,000 draws, or a payoff that is not finite.

    Source:
        Howard 1966; Strong, Oakley and Brennan 2014, by :func:`companion.economics.market.value_of_information`.

    >>> from companion.economics.plans.formula import Formula
    >>> from scipy.stats import norm
    >>> shares = DecisionPlan("shares", {"gain": norm(1, 10)}, {"buy": Formula("gain")}, {}, {})
    >>> decision = decide(shares)
    >>> decision.answer, round(float(decision.changes["value"][0]), 2)
    ('GO', 0.0)
    """
    check_whole("n_draws", n_draws, at_least=1_000, advice="fewer tell little")
    values = plan.draws(n_draws, seed)
    dollars = plan.payoffs(values)
    names = [_NOTHING, *plan.options]
    options = _options(dollars, names)
    best = int(dollars.mean(axis=0).argmax())
    experiments = _experiments(plan, values, dollars, seed)
    learn = len(experiments) and experiments["net"].iloc[0] > 0
    return Verdict(
        "LEARN" if learn else "GO" if best else "NO-GO",
        names[best],
        options,
        experiments,
        _changes(plan, values, names),
        value_of_information(dollars),
    )


def _options(dollars: Float[np.ndarray, "n options"], names: list[str]) -> pd.DataFrame:
    low, high = np.quantile(dollars, [0.05, 0.95], axis=0)
    best = np.bincount(dollars.argmax(axis=1), minlength=len(names)) / len(dollars)
    columns = {
        "mean": dollars.mean(axis=0),
        "low": low,
        "high": high,
        "loses": (dollars < 0).mean(axis=0),
        "best": best,
    }
    return pd.DataFrame(columns, index=names)


def _experiments(
    plan: DecisionPlan, values: Mapping[str, np.ndarray], dollars: Float[np.ndarray, "n options"], seed: int
) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 1])
    rows = {}
    for name, experiment in plan.experiments.items():
        about = values[experiment.about]
        if experiment.people is not None:
            about = rng.binomial(experiment.people, about).astype(float)
        worth = value_of_information(dollars, about)
        rows[name] = (worth, experiment.cost, worth - experiment.cost)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["worth", "cost", "net"])
    return table.sort_values("net", ascending=False)


def _changes(plan: DecisionPlan, values: Mapping[str, np.ndarray], names: list[str]) -> pd.DataFrame:
    """Each quantity is moved from its 1st to its 99th percentile; all others stay as they were drawn."""
    rows = []
    for quantity in plan.uncertain:
        drawn = values[quantity]
        low, high = np.quantile(drawn, [0.01, 0.99])
        grid = np.linspace(low, high, _STEPS)
        means = np.stack([plan.payoffs({**values, quantity: np.full_like(drawn, at)}).mean(axis=0) for at in grid])
        winner = means.argmax(axis=1)
        for k in np.flatnonzero(np.diff(winner)):
            below, above = winner[k], winner[k + 1]
            gap = means[k : k + 2, above] - means[k : k + 2, below]
            at = grid[k] - gap[0] * (grid[k + 1] - grid[k]) / (gap[1] - gap[0])
            other_side = (drawn > at) != (drawn.mean() > at)
            rows.append((quantity, at, names[below], names[above], other_side.mean()))
    return pd.DataFrame(rows, columns=["quantity", "value", "below", "above", "probability"])
