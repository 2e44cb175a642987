"""What every result of this package can do beside printing itself: become a row of a table."""

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
