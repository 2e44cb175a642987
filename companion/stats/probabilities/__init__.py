"""Predicted probabilities: calibration and conformal sets."""
