"""What results of this package share: they become rows of a table, and say p-values alike."""

import dataclasses
from typing import Any

import pandas as pd


class Result:
    """A frozen dataclass whose ``str()`` is one plain sentence and whose ``frame`` is one row."""

    @property
    def row(self) -> dict[str, Any]:
        """The fields by name; those of a field that is a result itself stand under ``field_name``."""
        row: dict[str, Any] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            inner = value.row.items() if isinstance(value, Result) else ()
            row |= {f"{field.name}_{name}": number for name, number in inner} or {field.name: value}
        return row

    @property
    def frame(self) -> pd.DataFrame:
        """The result as a table of one row; ``pandas.concat`` puts several together."""
        return pd.DataFrame([self.row])


def p_in_words(p_value: float) -> str:
    """A p-value as part of a sentence, none below the digits that any of these tests can vouch for."""
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
