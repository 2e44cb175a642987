r"""Wrong labels, found by confident learning (Northcutt, Jiang & Chuang 2021).

A model that did not see a picture's label says :math:`\hat p_j(x)` for each class :math:`j`. It is *confident* of
:math:`j` where that is at least what it says on average of pictures labeled :math:`j`:

.. math::

    t_j &= \frac{1}{|X_{\tilde y = j}|} \sum_{x \in X_{\tilde y = j}} \hat p_j(x) \\
    C_{ij} &= \Bigl|\Bigl\{x \in X_{\tilde y = i} : \hat p_j(x) \ge t_j,\
        j = \arg\max_{l:\, \hat p_l(x) \ge t_l} \hat p_l(x)\Bigr\}\Bigr|

Off the diagonal of :math:`C` lie the pictures whose label is suspected. The thresholds make up for a model that claims
more of one class than of another; that labels are wrong independently of how a picture looks is assumed.

Axes: picture; class (of the label in rows, of the model in columns).
"""

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from companion.stats.base.arrays import as_classes, as_probabilities
from companion.stats.base.frames import same_examples


@same_examples("labels", "probabilities")
def confident_class(labels: ArrayLike, probabilities: ArrayLike) -> Int[np.ndarray, " picture"]:
    """The class of which the model is confident for each picture, or -1 where it is of none.

    Args:
        labels: numbers of the classes as labeled ``[picture]``.
        probabilities: of each class, by a model that did not see this picture's label ``[picture, class]``.

    Raises:
        ValueError: for other shapes or indexes, what are no probabilities, or a class without any label.

    Example:
        >>> confident_class([0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]]).tolist()
        [0, 1, 1, -1]
    """
    p = as_probabilities("probabilities", probabilities)
    if p.ndim != 2:
        raise ValueError(f"expected probabilities [picture, class], got shape {p.shape}")
    y = as_classes("labels", labels, like=p)
    if sorted(set(y.tolist())) != list(range(p.shape[1])):
        raise ValueError(f"expected labels of each class from 0 to {p.shape[1] - 1}, got {sorted(set(y.tolist()))}")
    thresholds = np.array([p[y == j, j].mean() for j in range(p.shape[1])])
    confident = np.where(p >= thresholds, p, -1.0)
    return np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), -1)


def confident_joint(labels: ArrayLike, probabilities: ArrayLike) -> Int[np.ndarray, "class class"]:
    """How many pictures labeled ``i`` the model is confident are ``j``; see the module's :math:`C`.

    Raises:
        ValueError: as :func:`confident_class`.

    Example:
        >>> confident_joint([0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]]).tolist()
        [[1, 1], [0, 1]]
    """
    sure = confident_class(labels, probabilities)
    joint = np.zeros((np.shape(probabilities)[1],) * 2, dtype=np.int64)
    np.add.at(joint, (np.asarray(labels)[sure >= 0], sure[sure >= 0]), 1)
    return joint


def suspected(labels: ArrayLike, probabilities: ArrayLike) -> Bool[np.ndarray, " picture"]:
    """Whether the model is confident of another class than the label.

    Raises:
        ValueError: as :func:`confident_class`.

    Example:
        >>> suspected([0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]]).tolist()
        [False, True, False, False]
    """
    sure = confident_class(labels, probabilities)
    return (sure >= 0) & (sure != np.asarray(labels))
