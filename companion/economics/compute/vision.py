"""Counts of the families that read images."""
