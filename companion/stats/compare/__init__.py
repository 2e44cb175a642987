"""Comparisons of models on the same examples."""
