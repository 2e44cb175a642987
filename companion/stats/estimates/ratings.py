"""Ratings as numbers: which category each rater gave each item, and points whose distances are those of the scale.

Axis names: ``items`` that are rated; ``raters``; ``categories``, the distinct ratings in sorted order.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_ndarray
from companion.stats.base.labels import check_filled
from companion.stats.base.ties import tied

#: A row holds an item's number of ratings, the sum of their squared scores, its disagreement, and the sums of scores.
Items = Float[np.ndarray, "items sums"]

#: Nominal scores need as many numbers an item.
MOST_CATEGORIES = 1_000


def coded(ratings: ArrayLike) -> tuple[Int[np.ndarray, "items raters"], Shaped[np.ndarray, " categories"]]:
    """The number of each rating's category, -1 where it is missing, and the categories: text or float64."""
    # as objects, since NumPy would turn a NaN among text into text
    array = as_ndarray("ratings", ratings, dtype=None if isinstance(ratings, np.ndarray) else object)
    if array.ndim != 2 or array.shape[1] < 2 or not len(array):
        raise ValueError(
            f"expected ratings as [items, raters], rows of one length with at least 2 raters, got shape "
            f"{array.shape}; write None where a rating is missing"
        )
    missing = pd.isna(array)
    text = np.array([rating if isinstance(rating, str) else "-" for rating in array.ravel().tolist()])
    check_filled("ratings", text.reshape(array.shape), "write None where one is missing, or name a category 'none'")
    present = array[~missing].tolist()
    if len({isinstance(rating, str) for rating in present}) > 1:
        raise ValueError("expected ratings all numbers or all text, got a mixture; encode them alike")
    names, numbers = np.unique(_as_text_or_numbers(present), return_inverse=True)
    codes = np.full(array.shape, -1)
    codes[~missing] = numbers
    return codes, names


def _as_text_or_numbers(ratings: list[object]) -> Shaped[np.ndarray, " ratings"]:
    if ratings and isinstance(ratings[0], str):
        return np.array(ratings)
    try:
        numbers = np.array(ratings, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("expected ratings to be numbers or text, got other objects; encode them") from error
    if numbers.ndim != 1 or not (np.abs(numbers) <= 1e150).all():
        raise ValueError(
            "expected ratings to be single finite numbers, got infinity or lists; mark missing ones as NaN"
        )
    return tied(numbers)


def scores_of(
    names: Shaped[np.ndarray, " categories"], counts: Int[np.ndarray, " categories"], scale: str
) -> Float[np.ndarray, "categories scores"]:
    """Points whose squared distances are those of the scale, up to a factor; on a line they run from 0 to 1."""
    if scale == "nominal":
        if len(names) > MOST_CATEGORIES:
            raise ValueError(
                f"expected at most {MOST_CATEGORIES:,} categories, got {len(names):,}; take krippendorff_alpha_ci "
                "with scale 'interval' for measurements"
            )
        return np.eye(len(names))
    values = names if scale == "interval" else np.cumsum(counts) - counts / 2
    used = values[counts > 0]
    return ((values - used.min()) / np.ptp(used))[:, None]


def summed(codes: Int[np.ndarray, "items raters"], scores: Float[np.ndarray, "categories scores"]) -> Items:
    """What the coefficients are made of, by item."""
    sums, squares = np.zeros((len(codes), scores.shape[1])), np.zeros(len(codes))
    for column in codes.T:
        sums[column >= 0] += scores[column[column >= 0]]
        squares[column >= 0] += (scores[column[column >= 0]] ** 2).sum(1)
    m = (codes >= 0).sum(1)
    observed = 2 * (m * squares - (sums**2).sum(1)) / (m - 1)
    return np.column_stack([m, squares, observed, sums])
