"""Training: one loop, its configuration, what it records."""

from companion.training.config import TrainConfig, learning_rate
from companion.training.evaluate import bits_per_byte, token_losses
from companion.training.history import History
from companion.training.loop import Batches, fit, validate

__all__ = [
    "Batches",
    "History",
    "TrainConfig",
    "bits_per_byte",
    "fit",
    "learning_rate",
    "token_losses",
    "validate",
]
