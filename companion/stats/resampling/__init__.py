"""The bootstrap, and what it resamples."""
