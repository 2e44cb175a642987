"""The cases, a part of the package each."""
