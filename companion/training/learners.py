"""Our models as scikit-learn's learners: for stacking, cross-validation, and whatever else it does with them."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import Tensor, nn

from companion import runtime
from companion.training import checkpoint
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.loop import fit

Build = Callable[[Tensor, Tensor], tuple[nn.Module, Batches, TrainConfig]]


class _Learner(BaseEstimator):
    """A model that :func:`companion.training.fit` trains on the items it is given."""

    def __init__(self, build: Build, *, seed: int = 0) -> None:
        self.build = build
        self.seed = seed

    def _train(self, x: Shaped[np.ndarray, "items ..."], y: Shaped[np.ndarray, " items"]) -> None:
        torch.manual_seed(self.seed)
        self.model_, data, self.config_ = self.build(_tensor(x), _tensor(y))
        folder = self.config_.checkpoint_dir
        if folder is not None and checkpoint.all_in(folder):
            raise ValueError(
                f"expected a new checkpoint_dir in each call of the builder, got {folder}, which holds a run: it "
                f"would be gone on with, though it saw other items; take tempfile.mkdtemp()"
            )
        fit(self.model_, data, self.config_)

    def _outputs(self, x: Shaped[np.ndarray, "items ..."]) -> Float[Tensor, "items ..."]:
        device = next(self.model_.parameters()).device
        precision = runtime.pick_precision(self.config_.precision, device)
        with torch.inference_mode(), precision.autocast(device):
            batches = _tensor(x).split(self.config_.batch_size)
            return torch.cat([self.model_(batch.to(device)).float().cpu() for batch in batches])


class TorchClassifier(ClassifierMixin, _Learner):
    """A classifier whose model gives a logit a class.

    ``StackingClassifier([("mlp", TorchClassifier(build)), ("forest", RandomForestClassifier())])`` trains it on each
    fold's rest, the learner on top on what it predicts for the folds (Wolpert 1992), and itself again on all items.
    ``cross_val_predict(TorchClassifier(build), X, y, method="predict_proba")`` gives the out-of-fold predictions alone,
    for :func:`companion.training.fit_weights`. A builder whose configuration has a ``checkpoint_dir`` names a new one
    in each call.

    Args:
        build: a function of items and classes, counted from 0, that returns a new model with a method ``loss``, batches
            of those items, and the configuration of their training.
        seed: of the model's first weights.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> def build(x, y):
        ...     return MLP(MLPConfig((2, 16, 2))), TensorBatches((x, y)), TrainConfig(steps=100, batch_size=50, lr=1e-2)
        >>> X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
        >>> y = np.where(X.sum(axis=1) > 0, "up", "down")
        >>> model = TorchClassifier(build).fit(X, y)
        >>> bool(model.score(X, y) > 0.9)
        True
    """

    def fit(self, X: Shaped[np.ndarray, "items ..."], y: Shaped[np.ndarray, " items"]) -> Self:
        """Trains a new model."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._train(X, codes)
        return self

    def predict_proba(self, X: Shaped[np.ndarray, "items ..."]) -> Float[np.ndarray, "items classes"]:
        """The probability of each of ``classes_``.

        Raises:
            ValueError: where the model has another number of logits.
        """
        logits, n = self._outputs(X), len(self.classes_)
        if logits.shape != (len(X), n):
            raise ValueError(f"expected a model with a logit for each of {n} classes, got {list(logits.shape)}")
        return logits.double().softmax(dim=-1).numpy()

    def predict(self, X: Shaped[np.ndarray, "items ..."]) -> Shaped[np.ndarray, " items"]:
        """The most likely class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class TorchRegressor(RegressorMixin, _Learner):
    """A regression whose model gives one number an item; ``StackingRegressor`` takes it as it does a classifier.

    Args:
        build: as for :class:`TorchClassifier`, of items and numbers.
        seed: of the model's first weights.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> def build(x, y):
        ...     model = MLP(MLPConfig((2, 16, 1), loss="squared_error"))
        ...     return model, TensorBatches((x, y[:, None])), TrainConfig(steps=200, batch_size=50, lr=1e-2)
        >>> X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
        >>> y = X @ np.array([1, -2], dtype=np.float32)
        >>> bool(TorchRegressor(build).fit(X, y).score(X, y) > 0.9)  # the proportion of variance explained
        True
    """

    def fit(self, X: Shaped[np.ndarray, "items ..."], y: Float[np.ndarray, " items"]) -> Self:
        """Trains a new model."""
        self._train(X, np.asarray(y, dtype=float))
        return self

    def predict(self, X: Shaped[np.ndarray, "items ..."]) -> Float[np.ndarray, " items"]:
        """What the model gives."""
        return self._outputs(X).reshape(len(X)).double().numpy()  # a model may give it an axis of its own


def _tensor(array: Any) -> Tensor:
    """The array as a tensor; numbers that are not whole get the dtype of a model's weights."""
    tensor = torch.tensor(np.asarray(array))
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
