"""The parts of a GPT, and of writing with one."""
