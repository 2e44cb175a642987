"""Weights and configurations in the formats that others write: read, checked, saved."""
