"""What is no vector, with the advice that fits what came: a generator, a dict, one column of several."""

from collections.abc import Iterable, Mapping, Set
from reprlib import repr as brief

import numpy as np
import pandas as pd


def check_is_array(name: str, values: object, array: np.ndarray) -> None:
    """Refuses what NumPy takes for a single object."""
    if array.ndim:
        return
    kind = type(values).__name__
    if isinstance(values, Mapping):
        got, advice = f"a {kind}", f"pass list({name}.values()), or pandas.DataFrame({name}) for columns"
    elif isinstance(values, Set):
        got, advice = f"a {kind}, which has no order and holds each value once", "pass a list"
    elif isinstance(values, Iterable) and not isinstance(values, str | bytes | np.ndarray):
        got, advice = f"a {kind}, which can be read only once", f"pass list({name})"
    else:
        got, advice = f"the single value {brief(values)}", "pass a list of all values"
    raise ValueError(f"expected {name} to be a list or an array, got {got}; {advice}")


def check_is_vector(name: str, values: object, array: np.ndarray) -> None:
    """Refuses several columns where one is meant, and a column or a row that was left in a table."""
    if array.ndim == 1:
        return
    if isinstance(values, pd.DataFrame) and len(values.columns):
        advice = f"pick one column, such as {name}[{values.columns.tolist()[-1]!r}]"
    elif array.ndim == 2 and array.shape[1] == 1:
        advice = f"take its only column, {name}[:, 0]"
    elif array.ndim == 2 and array.shape[0] == 1:
        advice = f"take its only row, {name}[0]"
    elif array.ndim == 2 and array.size:
        advice = f"pick one column, such as {name}[:, 1], or the most likely class, {name}.argmax(1)"
    else:
        advice = "select or average what makes it one number an example"
    raise ValueError(f"expected {name} to be one value an example, got shape {array.shape}; {advice}")
