"""Explanations put to the test: against a truth that was planted, and against models that know nothing."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import rankdata, spearmanr
from torch import nn

from companion.stats import Interval, mean_ci
from companion.stats.base.arrays import as_array
from companion.stats.base.checks import as_ndarray

#: From a model to attributions of the same examples ``[examples, features]``.
Explain = Callable[[nn.Module], ArrayLike]


def score_against_truth(attributions: ArrayLike, truth: ArrayLike, *, level: float = 0.95) -> Interval:
    """How well explanations rank the features that matter above those that do not, one example at a time.

    For each example it is the area under the ROC curve of the attributions' absolute values: the probability that a
    feature that matters is above one that does not, ties one half. Random attributions score 0.5.

    Args:
        attributions: ``[examples, features]``.
        truth: which features matter in each example, 0 and 1 or booleans, of the same shape.
        level: intended coverage of the mean over other examples.

    Raises:
        ValueError: where shapes differ, or an example in which all features matter or none.

    >>> print(score_against_truth([[3.0, 0.1, -2.0]] * 12, [[1, 0, 1]] * 12))
    The estimate is 1.00, with a 95% confidence interval from 0.76 to 1.00 (Wilson score).
    """
    strength, matters = np.abs(as_array("attributions", attributions)), as_ndarray("truth", truth)
    if not np.isin(matters, (0, 1)).all():
        raise ValueError("expected truth as 0 and 1 or booleans, got other values; compare them with a threshold first")
    matters = matters == 1
    if strength.ndim != 2 or strength.shape != matters.shape:
        raise ValueError(f"expected both as [examples, features], got {strength.shape} and {matters.shape}")
    counts = matters.sum(axis=1)
    if ((counts == 0) | (counts == matters.shape[1])).any():
        raise ValueError("expected examples in which some features matter and some do not")
    ranks = rankdata(strength, axis=1)
    wins = (ranks * matters).sum(axis=1) - counts * (counts + 1) / 2
    areas = wins / (counts * (matters.shape[1] - counts))
    return mean_ci(areas, bounds=(0, 1), level=level)


def sanity_check(model: nn.Module, explain: Explain, layers: Sequence[str], *, seed: int = 0) -> list[float]:
    """How much attributions change as layers lose what they have learned, one after the other, the last one first.

    Layers are drawn anew as torch draws them. A method whose attributions stay as they were does not explain the
    model. Randomizing the last layer only is too mild: attributions of inputs may survive it for a good reason.

    Args:
        model: stays as it is.
        explain: from a model to attributions of the same examples.
        layers: names of modules with ``reset_parameters``, from the output to the input.
        seed: of the new weights.

    Returns:
        Spearman's correlation with the attributions of the trained model on average over examples, after each layer.

    Raises:
        ValueError: for a name that is no such layer.

    Source:
        Adebayo et al. 2018, *Sanity checks for saliency maps*.
    """
    modules = dict(model.named_modules())
    if wrong := [name for name in layers if not hasattr(modules.get(name), "reset_parameters")]:
        raise ValueError(f"expected names of layers that can be reset, got {wrong[0]!r}")
    before, changed = np.asarray(explain(model), dtype=float), copy.deepcopy(model)
    similar = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name in layers:
            changed.get_submodule(name).reset_parameters()  # type: ignore[operator]
            similar.append(_similarity(before, np.asarray(explain(changed), dtype=float)))
    return similar


def _similarity(a: Float[np.ndarray, "examples features"], b: Float[np.ndarray, "examples features"]) -> float:
    return float(np.mean([spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]))
