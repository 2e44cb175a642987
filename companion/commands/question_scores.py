"""Scores of rows of answers, and how two models' differ on the same questions, as text."""

import pandas as pd

from companion.stats import Interval, compare_paired, mean_ci
from companion.training.answers import scores_of


def print_scores(name: str, rows: pd.DataFrame) -> None:
    """Prints each mean score with its interval."""
    chance = f"; guessing gives {(1 / rows['n_choices']).mean():.3f}" if "n_choices" in rows else ""
    print(f"{name}, {len(rows):,} questions{chance}")
    for score, values in scores_of(rows).items():
        print(f"  {score:<22} {_in_words(mean_ci(values, bounds=(0, 1), clusters=_clusters(rows['group'])))}")


def print_difference(name: str, other: str, rows: pd.DataFrame, other_rows: pd.DataFrame) -> None:
    """Prints how the first model's scores differ from the second's on the same questions, and what that says."""
    print(f"{name} minus {other}, on the same questions")
    others = scores_of(other_rows)
    for score, a in scores_of(rows).items():
        b = others[score]
        if (a == b).all():
            print(f"  {score:<22} the same on every question")
            continue
        difference, test = _difference(a, b, rows["group"])
        verdict = "better" if difference.low > 0 else "worse" if difference.high < 0 else "undecided"
        print(f"  {score:<22} {_in_words(difference)}{test}: {verdict}")


def _difference(a: pd.Series, b: pd.Series, groups: pd.Series) -> tuple[Interval, str]:
    clusters = _clusters(groups)
    if clusters is not None or not (a.isin([0, 1]) & b.isin([0, 1])).all():
        return mean_ci(a - b, bounds=(-1, 1), clusters=clusters), ""
    found = compare_paired(pd.Series(1, index=a.index), a.astype(int), b.astype(int))
    return found.difference, f", p = {found.p_value:.3g}"


def _clusters(groups: pd.Series) -> pd.Series | None:
    return None if groups.isna().any() else groups


def _in_words(interval: Interval) -> str:
    return f"{interval.estimate:.3f}  ({interval.level:.0%} interval {interval.low:.3f} to {interval.high:.3f})"
