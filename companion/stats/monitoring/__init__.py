"""Drift, outliers and time series of a model at work."""
