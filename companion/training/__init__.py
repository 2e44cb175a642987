"""Training: one loop, its configuration, what it records."""

from companion.stats.probabilities.ensemble import Weights, fit_weights
from companion.training.answers import choose_answers, write_answers
from companion.training.batches import Batches
from companion.training.code import solve_tasks
from companion.training.config import TrainConfig
from companion.training.cost import CostEstimate, estimate_cost
from companion.training.evaluate import bits_per_byte, token_losses
from companion.training.history import History
from companion.training.learners import TorchClassifier, TorchRegressor
from companion.training.likelihood import Continuation, encode_continuation, log_likelihoods
from companion.training.loop import fit
from companion.training.perplexity import perplexity_ci, text_losses
from companion.training.pipeline import pipeline_bubble, pipeline_schedule, pipeline_step
from companion.training.processes import run_processes
from companion.training.recipe import read_recipe, write_recipe
from companion.training.ring import ring_all_gather, ring_all_reduce, ring_reduce_scatter
from companion.training.sandbox import has_no_network, run_limited
from companion.training.schedule import learning_rate, plot_schedule
from companion.training.search import SearchResult, search
from companion.training.sharded_adamw import ShardedAdamW
from companion.training.sharpness import Sharpness, sharpness
from companion.training.space import Choice, Range
from companion.training.split_tensors import whole_weights
from companion.training.step import DivergedError
from companion.training.tensor_parallel import ShardedPair
from companion.training.text_scores import answer_f1, exact_match, normalize_answer
from companion.training.validation import validate

# As 0.1.0 called them.
Prediction = CostEstimate
predict = estimate_cost

__all__ = [
    "Batches",
    "Choice",
    "Continuation",
    "CostEstimate",
    "DivergedError",
    "History",
    "Prediction",
    "Range",
    "SearchResult",
    "ShardedAdamW",
    "ShardedPair",
    "Sharpness",
    "TorchClassifier",
    "TorchRegressor",
    "TrainConfig",
    "Weights",
    "answer_f1",
    "bits_per_byte",
    "choose_answers",
    "encode_continuation",
    "estimate_cost",
    "exact_match",
    "fit",
    "fit_weights",
    "has_no_network",
    "learning_rate",
    "log_likelihoods",
    "normalize_answer",
    "perplexity_ci",
    "pipeline_bubble",
    "pipeline_schedule",
    "pipeline_step",
    "plot_schedule",
    "predict",
    "read_recipe",
    "ring_all_gather",
    "ring_all_reduce",
    "ring_reduce_scatter",
    "run_limited",
    "run_processes",
    "search",
    "sharpness",
    "solve_tasks",
    "text_losses",
    "token_losses",
    "validate",
    "whole_weights",
    "write_answers",
    "write_recipe",
]
