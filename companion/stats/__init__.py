"""Statistics of model evaluation: intervals, the bootstrap, and comparisons on the same examples."""

from companion.stats.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from companion.stats.always_valid import ConfidenceSequence, confidence_sequence
from companion.stats.auc_bootstrap import auc_bootstrap_ci
from companion.stats.bayesian import PracticalComparison, bayesian_signed_rank
from companion.stats.bootstrap import bootstrap_ci
from companion.stats.calibration import Reliability, ReliabilityBin, reliability
from companion.stats.clustered import clustered_proportion_ci
from companion.stats.coefficients import Coefficient, LinearFit, LogisticFit
from companion.stats.compare import Comparison, SizedComparison, compare_paired
from companion.stats.conformal import ConformalIntervals, ConformalSets, conformal_intervals, conformal_sets
from companion.stats.contrasts import difference_ci, proportion_difference_ci, ratio_ci
from companion.stats.corpus import corpus_ci
from companion.stats.correlation import correlation_ci
from companion.stats.cross_validation import compare_cross_validated
from companion.stats.drift import Drift, ks_drift, mmd_drift, population_stability_index
from companion.stats.forest import forest
from companion.stats.gate import Gate, release_gate
from companion.stats.intervals import Interval, proportion_ci
from companion.stats.laws import Chinchilla, ComputeOptimal, LossPrediction, PowerLaw
from companion.stats.logistic import logistic_regression
from companion.stats.mcnemar import AccuracyComparisons, compare_accuracies
from companion.stats.means import mean_ci, stratified_mean_ci
from companion.stats.metrics import metric_ci
from companion.stats.multiplicity import Adjusted, adjust
from companion.stats.outliers import Outliers, RobustZ, local_outlier_factor, robust_z
from companion.stats.permutation import permutation_test
from companion.stats.power import SampleSize, detectable_difference, power_by_simulation, sample_size
from companion.stats.prediction_powered import PredictionPowered, prediction_powered_ci
from companion.stats.quantiles import QuantileInterval, quantile_ci
from companion.stats.ranking import Ranking, compare_many
from companion.stats.recalibration import Isotonic, Temperature, isotonic_scaling, temperature_scaling
from companion.stats.regression import linear_regression
from companion.stats.result import Result
from companion.stats.scaling import chinchilla, power_law
from companion.stats.sequential import ABTest
from companion.stats.series import Autoregression, autoregression
from companion.stats.variance_reduction import AdjustedComparison, cuped

__all__ = [
    "ABTest",
    "AccuracyComparisons",
    "Adjusted",
    "AdjustedComparison",
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
    "auc_bootstrap_ci",
    "autoregression",
    "bayesian_signed_rank",
    "bootstrap_ci",
    "chinchilla",
    "clustered_proportion_ci",
    "cohen_kappa",
    "compare_accuracies",
    "compare_cross_validated",
    "compare_many",
    "compare_paired",
    "confidence_sequence",
    "conformal_intervals",
    "conformal_sets",
    "corpus_ci",
    "correlation_ci",
    "cuped",
    "detectable_difference",
    "difference_ci",
    "fleiss_kappa",
    "forest",
    "isotonic_scaling",
    "krippendorff_alpha",
    "ks_drift",
    "linear_regression",
    "local_outlier_factor",
    "logistic_regression",
    "mean_ci",
    "metric_ci",
    "mmd_drift",
    "permutation_test",
    "population_stability_index",
    "power_by_simulation",
    "power_law",
    "prediction_powered_ci",
    "proportion_ci",
    "proportion_difference_ci",
    "quantile_ci",
    "ratio_ci",
    "release_gate",
    "reliability",
    "robust_z",
    "sample_size",
    "stratified_mean_ci",
    "temperature_scaling",
]
