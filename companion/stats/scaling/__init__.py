"""Scaling laws of models."""
