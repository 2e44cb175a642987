"""Metrics of a model's predictions, and their intervals."""
