"""Experiments on users, also those that are watched while they run."""
