"""Estimates of one number, and their intervals."""
