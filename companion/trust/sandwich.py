"""How robust a model is, between what is proved and what is broken."""

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.stats import proportion_ci
from companion.trust.attack import pgd
from companion.trust.certify import certified


def sandwich(
    model: nn.Module,
    inputs: Float[Tensor, "batch ..."],
    targets: Int[Tensor, " batch"],
    epsilons: Sequence[float],
    *,
    steps: int = 20,
    restarts: int = 1,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy under changes of at most each epsilon: what is certified, and what is left after an attack.

    The true accuracy on these examples lies between the two. Their intervals are for other examples of the same kind.

    Args:
        model: one that :func:`interval_bounds` knows, in evaluation mode.
        inputs: examples that it was not trained on.
        targets: their classes.
        epsilons: largest changes of a number.
        steps: of the attack.
        restarts: of the attack.
        bounds: between which inputs lie.
        level: intended coverage of the intervals.
        seed: of the attack.

    Returns:
        A frame with a row an epsilon and the columns ``certified`` and ``attacked``, each with ``_low`` and ``_high``.
    """
    rows = []
    for epsilon in epsilons:
        proved = certified(model, inputs, targets, epsilon=epsilon, bounds=bounds)
        x = pgd(model, inputs, targets, epsilon=epsilon, steps=steps, restarts=restarts, bounds=bounds, seed=seed)
        with torch.no_grad():
            left = model(x).argmax(dim=1) == targets
        row = {"epsilon": float(epsilon)}
        for name, right in (("certified", proved), ("attacked", left)):
            interval = proportion_ci(int(right.sum()), len(right), level=level)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows).set_index("epsilon")
