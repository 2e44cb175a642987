"""Statistics of model evaluation: intervals, the bootstrap, and comparisons on the same examples.

Which function answers which question:

=========================================================  ====================================================
Question                                                   Function
=========================================================  ====================================================
How good is one model, from its labels, scores or numbers  ``metric_ci``; ``auc_bootstrap_ci`` for clusters
How large is a proportion, from counts                     ``proportion_ci``; ``clustered_proportion_ci``
How large is a mean, of independent or clustered values    ``mean_ci``; ``stratified_mean_ci`` for quotas
How large is a quantile, such as a median latency          ``quantile_ci``
How large is a ratio of sums, such as bits per byte        ``ratio_ci``; ``corpus_ci`` for any function of sums
How large is any other number                              ``bootstrap_ci``
What would people say of what a judge has rated            ``prediction_powered_ci``; ``rogan_gladen_ci`` where
                                                           examples to label were not drawn at random
Do two columns rise together; do raters agree              ``correlation_ci``; ``cohen_kappa_ci``, ``fleiss_kappa_ci``,
                                                           ``krippendorff_alpha_ci``
Is a better than b, on the same examples                   ``compare_paired``; ``permutation_test(paired=True)``
Is a better than b, many times over                        ``compare_accuracies``, then ``adjust``
Is a better than b, on other examples                      ``difference_ci``, ``proportion_difference_ci``,
                                                           ``permutation_test(paired=False)``
Is training a better than training b, over folds           ``compare_cross_validated``
Which of several models is best, over data sets            ``compare_many``
Which do people prefer, two at a time                      ``arena``
How often is one of k answers right                        ``pass_at_k_ci``; ``pass_at_k`` problem by problem
Is a as good as b, over data sets                          ``bayesian_signed_rank``
How many examples do I need                                ``sample_size``, ``detectable_difference``,
                                                           ``power_by_simulation_ci``
Do we ship, hold or label more                             ``release_gate``
What do users prefer, in an experiment that I watch        ``ABTest``, ``confidence_sequence``, ``cuped``
Are probabilities honest, and how to mend them             ``reliability``; ``temperature_scaling``,
                                                           ``isotonic_scaling``
Does a generator copy; which groups does it reach          ``copying_ci``; ``mode_counts``
Which answers may be right, with a promise                 ``conformal_sets``, ``conformal_intervals``
What does the score depend on                              ``linear_regression``, ``logistic_regression``
How does the loss fall with size                           ``power_law``, ``chinchilla``
Has the input changed; what is odd; what comes next        ``ks_drift``, ``population_stability_index``,
                                                           ``mmd_drift``; ``robust_z``, ``local_outlier_factor``;
                                                           ``autoregression``
=========================================================  ====================================================

Columns may be lists, arrays, tensors, or what pandas has. Rows of pandas are never paired by position where their
labels differ, and columns that have names need no others:

>>> import pandas as pd
>>> answers = {"answer": [1, 0, 1, 1], "new": [1, 0, 1, 0], "old": [1, 1, 0, 0]}
>>> questions = pd.DataFrame(answers, index=list("abcd"))
>>> truth, new = questions["answer"], questions["new"]
>>> metric_ci(truth, new).estimate
0.75
>>> compare_paired(truth, new, questions["old"]).difference.estimate
0.5
>>> metric_ci(truth, new.sort_values())  # doctest: +ELLIPSIS
Traceback (most recent call last):
ValueError: expected y_true and y_pred with the same index, got 'a' and 'b' ...
>>> scores = {"small": [0.60, 0.62], "large": [0.80, 0.83], "mid": [0.70, 0.71]}
>>> compare_many(pd.DataFrame(scores)).names
('large', 'mid', 'small')
"""

from companion.stats.base.comparison import Comparison, SizedComparison
from companion.stats.base.forest import forest
from companion.stats.base.intervals import Interval, proportion_ci
from companion.stats.base.result import Result
from companion.stats.compare.arena import Arena, arena
from companion.stats.compare.bayesian import PracticalComparison, bayesian_signed_rank
from companion.stats.compare.cross_validation import compare_cross_validated
from companion.stats.compare.mcnemar import AccuracyComparisons, compare_accuracies
from companion.stats.compare.multiplicity import Adjusted, adjust
from companion.stats.compare.paired import compare_paired
from companion.stats.compare.permutation import permutation_test
from companion.stats.compare.ranking import Ranking, compare_many
from companion.stats.estimates.agreement import cohen_kappa_ci, fleiss_kappa_ci, krippendorff_alpha_ci
from companion.stats.estimates.clustered import clustered_proportion_ci
from companion.stats.estimates.contrasts import difference_ci, proportion_difference_ci, ratio_ci
from companion.stats.estimates.corpus import corpus_ci
from companion.stats.estimates.correlation import correlation_ci
from companion.stats.estimates.means import mean_ci, stratified_mean_ci
from companion.stats.estimates.pass_at_k import pass_at_k, pass_at_k_ci
from companion.stats.estimates.prediction_powered import PredictionPowered, prediction_powered_ci
from companion.stats.estimates.quantiles import QuantileInterval, quantile_ci
from companion.stats.estimates.rogan_gladen import rogan_gladen_ci
from companion.stats.experiments.always_valid import ConfidenceSequence, confidence_sequence
from companion.stats.experiments.sequential import ABTest
from companion.stats.experiments.variance_reduction import AdjustedComparison, cuped
from companion.stats.metrics.auc_bootstrap import auc_bootstrap_ci
from companion.stats.metrics.metrics import metric_ci
from companion.stats.metrics.samples import copying_ci, mode_counts
from companion.stats.monitoring.drift import Drift, ks_drift, mmd_drift, population_stability_index
from companion.stats.monitoring.outliers import Outliers, RobustZ, local_outlier_factor, robust_z
from companion.stats.monitoring.series import Autoregression, autoregression
from companion.stats.planning.gate import Gate, release_gate
from companion.stats.planning.power import SampleSize, detectable_difference, power_by_simulation_ci, sample_size
from companion.stats.probabilities.calibration import Reliability, ReliabilityBin, reliability
from companion.stats.probabilities.conformal import (
    ConformalIntervals,
    ConformalSets,
    conformal_intervals,
    conformal_sets,
)
from companion.stats.probabilities.recalibration import Isotonic, Temperature, isotonic_scaling, temperature_scaling
from companion.stats.regression.linear import linear_regression
from companion.stats.regression.logistic import logistic_regression
from companion.stats.regression.results import Coefficient, LinearFit, LogisticFit
from companion.stats.resampling.bootstrap import bootstrap_ci
from companion.stats.scaling.fit import chinchilla, power_law
from companion.stats.scaling.results import Chinchilla, ComputeOptimal, LossPrediction, PowerLaw

# What returns an ``Interval`` ends in ``_ci``; these are the names that 0.1.0 had for four such functions.
cohen_kappa = cohen_kappa_ci
fleiss_kappa = fleiss_kappa_ci
krippendorff_alpha = krippendorff_alpha_ci
power_by_simulation = power_by_simulation_ci

__all__ = [
    "ABTest",
    "AccuracyComparisons",
    "Adjusted",
    "AdjustedComparison",
    "Arena",
    "Autoregression",
    "Chinchilla",
    "Coefficient",
    "Comparison",
    "ComputeOptimal",
    "ConfidenceSequence",
    "ConformalIntervals",
    "ConformalSets",
    "Drift",
    "Gate",
    "Interval",
    "Isotonic",
    "LinearFit",
    "LogisticFit",
    "LossPrediction",
    "Outliers",
    "PowerLaw",
    "PracticalComparison",
    "PredictionPowered",
    "QuantileInterval",
    "Ranking",
    "Reliability",
    "ReliabilityBin",
    "Result",
    "RobustZ",
    "SampleSize",
    "SizedComparison",
    "Temperature",
    "adjust",
    "arena",
    "auc_bootstrap_ci",
    "autoregression",
    "bayesian_signed_rank",
    "bootstrap_ci",
    "chinchilla",
    "clustered_proportion_ci",
    "cohen_kappa",
    "cohen_kappa_ci",
    "compare_accuracies",
    "compare_cross_validated",
    "compare_many",
    "compare_paired",
    "confidence_sequence",
    "conformal_intervals",
    "conformal_sets",
    "copying_ci",
    "corpus_ci",
    "correlation_ci",
    "cuped",
    "detectable_difference",
    "difference_ci",
    "fleiss_kappa",
    "fleiss_kappa_ci",
    "forest",
    "isotonic_scaling",
    "krippendorff_alpha",
    "krippendorff_alpha_ci",
    "ks_drift",
    "linear_regression",
    "local_outlier_factor",
    "logistic_regression",
    "mean_ci",
    "metric_ci",
    "mmd_drift",
    "mode_counts",
    "pass_at_k",
    "pass_at_k_ci",
    "permutation_test",
    "population_stability_index",
    "power_by_simulation",
    "power_by_simulation_ci",
    "power_law",
    "prediction_powered_ci",
    "proportion_ci",
    "proportion_difference_ci",
    "quantile_ci",
    "ratio_ci",
    "release_gate",
    "reliability",
    "robust_z",
    "rogan_gladen_ci",
    "sample_size",
    "stratified_mean_ci",
    "temperature_scaling",
]
