"""Sample sizes and release decisions."""
