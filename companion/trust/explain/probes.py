"""What can be read off a model's inside by a line, and how much of that the line itself has learned."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from companion.stats import Interval, clustered_proportion_ci, proportion_ci
from companion.stats.base.arrays import as_array
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_groups, as_labels


@dataclass(frozen=True)
class Probe:
    """Accuracy of a linear probe on examples that it was not fitted on.

    Attributes:
        accuracy: on the labels.
        control: on labels that were drawn for each group, or example, at random: what the probe memorizes.
        chance: proportion of the most frequent label.
    """

    accuracy: Interval
    control: float
    chance: float

    @property
    def selectivity(self) -> float:
        """Accuracy above that of the control task (Hewitt and Liang 2019)."""
        return self.accuracy.estimate - self.control


@same_examples("features", "labels", "groups")
def probe(
    features: ArrayLike, labels: ArrayLike, *, groups: ArrayLike | None = None, folds: int = 5, seed: int = 0
) -> Probe:
    """Logistic regression from a layer's numbers to a label, cross-validated, beside a control.

    That a label can be read off does not mean that the model uses it.

    Args:
        features: ``[examples, width]``.
        labels: one an example.
        groups: what examples share, such as the word; a group is never split between fitting and testing, and has one
            label in the control task.
        folds: of the cross-validation.
        seed: of folds and of the control's labels.

    Raises:
        ValueError: for fewer examples of a label, or groups, than folds, missing values, columns of several lengths or
            other indexes.

    Source:
        Alain and Bengio 2016; Hewitt and Liang 2019 for the control task.
    """
    x, (y,) = as_array("features", features), as_labels(labels=labels)
    if x.ndim != 2 or len(x) != len(y):
        raise ValueError(f"expected features [examples, width] and a label each, got {x.shape} and {y.shape}")
    names, counts = np.unique(y, return_counts=True)
    if len(names) < 2 or counts.min() < folds:
        raise ValueError(
            f"expected two labels or more, of {folds} examples each at least, got {counts.tolist()} examples"
        )
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    group = np.arange(len(y)) if groups is None else as_groups("groups", groups, len(y))[0]
    if (n_groups := int(group.max()) + 1) < folds:
        raise ValueError(f"expected at least {folds} groups for {folds} folds, got {n_groups}; take fewer folds")
    split = StratifiedKFold(folds, shuffle=True, random_state=seed) if groups is None else GroupKFold(folds)
    right = cross_val_predict(line, x, y, cv=split, groups=None if groups is None else group) == y
    rng = np.random.default_rng(seed)
    drawn = rng.choice(names, size=group.max() + 1, p=counts / counts.sum())[group]
    control = cross_val_predict(line, x, drawn, cv=StratifiedKFold(folds, shuffle=True, random_state=seed)) == drawn
    interval = proportion_ci(int(right.sum()), len(y)) if groups is None else clustered_proportion_ci(right, group)
    return Probe(interval, float(control.mean()), float(counts.max() / counts.sum()))
