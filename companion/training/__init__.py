"""Training: one loop, its configuration, what it records."""

from companion.stats.probabilities.ensemble import Weights, fit_weights
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.cost import CostEstimate, estimate_cost
from companion.training.evaluate import bits_per_byte, token_losses
from companion.training.history import History
from companion.training.learners import TorchClassifier, TorchRegressor
from companion.training.loop import fit
from companion.training.recipe import read_recipe, write_recipe
from companion.training.schedule import learning_rate, plot_schedule
from companion.training.search import SearchResult, search
from companion.training.sharpness import Sharpness, sharpness
from companion.training.space import Choice, Range
from companion.training.split_tensors import whole_weights
from companion.training.step import DivergedError
from companion.training.validation import validate

# As 0.1.0 called them.
Prediction = CostEstimate
predict = estimate_cost

__all__ = [
    "Batches",
    "Choice",
    "CostEstimate",
    "DivergedError",
    "History",
    "Prediction",
    "Range",
    "SearchResult",
    "Sharpness",
    "TorchClassifier",
    "TorchRegressor",
    "TrainConfig",
    "Weights",
    "bits_per_byte",
    "estimate_cost",
    "fit",
    "fit_weights",
    "learning_rate",
    "plot_schedule",
    "predict",
    "read_recipe",
    "search",
    "sharpness",
    "token_losses",
    "validate",
    "whole_weights",
    "write_recipe",
]
