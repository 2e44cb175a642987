"""What a training run recorded."""

from dataclasses import dataclass, field

import pandas as pd

Row = dict[str, float | None]


@dataclass
class History:
    """One row a step; ``str()`` is one line on the last.

    A row holds ``step`` (from 1), ``loss``, ``lr``, ``grad_norm`` before clipping, ``seconds`` since the start, and
    ``validation_loss`` where it was measured. Losses are in the unit of ``model.loss``: nats a token for a GPT.
    """

    rows: list[Row] = field(default_factory=list)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table, indexed by step."""
        columns = ["step", "loss", "lr", "grad_norm", "seconds", "validation_loss"]
        return pd.DataFrame(self.rows, columns=columns).astype({"step": int}).set_index("step")

    @property
    def validation(self) -> "pd.Series[float]":
        """The validation losses, indexed by step."""
        return self.frame["validation_loss"].dropna()

    @property
    def seconds(self) -> float:
        """How long the steps took, stops between them left out."""
        return (self.rows[-1]["seconds"] or 0.0) if self.rows else 0.0

    def __str__(self) -> str:
        if not self.rows:
            return "no step taken"
        last = self.rows[-1]
        validation = last.get("validation_loss")
        measured = "" if validation is None else f", validation loss {validation:.4f}"
        return f"step {last['step']}: loss {last['loss']:.4f}{measured}, {self.seconds:.1f} s"
