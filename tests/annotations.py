"""Shapes and dtypes in annotations are checked while the tests run; the other types are mypy's."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def checked_on_return(function: Callable) -> Callable:
    """Checks the arrays among a function's arguments and its result together, once the result is there.

    jaxtyping hands over two functions: one for the arguments before a call, whose result it calls ``Any``, and one for
    arguments and result after it. The first is let through, so that a function refuses bad input in its own words.
    """
    hints = function.__annotations__
    arrays = {name: hint for name, hint in hints.items() if _has_array(hint)}
    if not arrays or hints.get("return") is Any:
        return function
    function.__annotations__ = arrays
    return beartype(function)


def _has_array(hint: object) -> bool:
    return (inspect.isclass(hint) and issubclass(hint, AbstractArray)) or any(map(_has_array, get_args(hint)))
