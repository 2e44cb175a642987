"""What large models cost, computed."""
