"""The parts of a GPT's block that are no attention."""
