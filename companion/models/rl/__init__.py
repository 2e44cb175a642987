"""Policies, and what they experience."""
