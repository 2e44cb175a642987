"""Training: one loop, its configuration, what it records."""

from companion.training.config import TrainConfig, learning_rate
from companion.training.history import History
from companion.training.loop import Batches, fit, validate

__all__ = ["Batches", "History", "TrainConfig", "fit", "learning_rate", "validate"]
