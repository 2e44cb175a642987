"""Guarantees from above and attacks from below: explanations, robustness, privacy, fairness."""

from companion.trust.attack import fgsm, pgd
from companion.trust.certify import certified, interval_bounds, worst_margins
from companion.trust.exact import WorstCase, worst_case
from companion.trust.explain.gradients import integrated_gradients
from companion.trust.explain.lens import logit_lens, residual_stream
from companion.trust.explain.probes import Probe, probe
from companion.trust.explain.scoring import sanity_check, score_against_truth
from companion.trust.explain.shapley import SampledShapley, exact_shapley, masking_value, sampled_shapley
from companion.trust.fairness import gap_ci, group_metrics, impossibility, n_for_gap
from companion.trust.privacy.accountants import epsilon, gaussian_delta, noise_multiplier, renyi_divergence
from companion.trust.privacy.auditing import audit, guess_members
from companion.trust.privacy.federated import fedavg, mask, secure_sum
from companion.trust.privacy.perturbation import noisy_least_squares, output_perturbation
from companion.trust.privacy.records import k_anonymity, pseudonymize
from companion.trust.sandwich import sandwich
from companion.trust.smoothing import SmoothedPrediction, smooth_certify, smooth_predict

__all__ = [
    "Probe",
    "SampledShapley",
    "SmoothedPrediction",
    "WorstCase",
    "audit",
    "certified",
    "epsilon",
    "exact_shapley",
    "fedavg",
    "fgsm",
    "gap_ci",
    "gaussian_delta",
    "group_metrics",
    "guess_members",
    "impossibility",
    "integrated_gradients",
    "interval_bounds",
    "k_anonymity",
    "logit_lens",
    "mask",
    "masking_value",
    "n_for_gap",
    "noise_multiplier",
    "noisy_least_squares",
    "output_perturbation",
    "pgd",
    "probe",
    "pseudonymize",
    "renyi_divergence",
    "residual_stream",
    "sampled_shapley",
    "sandwich",
    "sanity_check",
    "score_against_truth",
    "secure_sum",
    "smooth_certify",
    "smooth_predict",
    "worst_case",
    "worst_margins",
]
