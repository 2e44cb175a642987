"""Words as people type them in haste. Synthetic."""

import numpy as np

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def misspell(text: str, n_errors: int, rng: np.random.Generator) -> str:
    """A text after so many errors, each at a random place: a letter left out, doubled, exchanged with its neighbor or
    replaced. Beyond half of its letters a text gets no more errors.

    Example:
        >>> misspell("automobile", 2, np.random.default_rng(0))
        'automoobiel'
    """
    for _ in range(min(n_errors, len(text) // 2)):
        place, kind = int(rng.integers(len(text))), int(rng.integers(4))
        before, letter, after = text[:place], text[place], text[place + 1 :]
        if kind == 0 and len(text) > 1:
            text = before + after
        elif kind == 1:
            text = before + letter * 2 + after
        elif kind == 2:
            text = before + after[:1] + letter + after[1:]
        else:
            text = before + _LETTERS[int(rng.integers(len(_LETTERS)))] + after
    return text
