"""How rotary angles of a model that was trained on short texts are changed for long ones."""

from dataclasses import dataclass
from typing import Literal

from companion.checks import check_choices, check_sizes

RopeScalingName = Literal["linear", "llama3", "yarn"]


@dataclass(frozen=True)
class RopeScaling:
    r"""The angles of positions beyond those that a model was first trained on.

    A pair of dimensions with frequency :math:`\theta_i` turns once in :math:`2\pi/\theta_i` positions. Pairs that turn
    often within the original context tell near positions apart and stay as they are; those that never came round are
    slowed down by ``factor``, so that far positions give angles that were seen in training.

    Attributes:
        kind: ``linear`` slows all pairs down (Chen et al. 2023); ``llama3`` and ``yarn`` only those that turn seldom,
            with a ramp between (Grattafiori et al. 2024; Peng et al. 2023, section 3.2, which also sharpens attention).
        factor: how many times longer the context becomes, at least 1.
        original: the context of the first training, in tokens; ``linear`` does without.
        low: turns within ``original`` up to which a pair is slowed down fully (yarn's ``beta_slow``).
        high: turns within ``original`` from which a pair stays as it is (llama3 4, yarn 32, its ``beta_fast``).
        attention_factor: what ``yarn`` multiplies cosines and sines by; None is 0.1 ln(factor) + 1.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> RopeScaling("llama3", factor=8.0, original=8_192).high  # Llama 3.1
        4.0
    """

    kind: RopeScalingName
    factor: float
    original: int = 8_192
    low: float = 1.0
    high: float = 4.0
    attention_factor: float | None = None

    def __post_init__(self) -> None:
        check_choices(self, kind=RopeScalingName)
        check_sizes(self, "original")
        if not self.factor >= 1:
            raise ValueError(f"expected factor of at least 1, got {self.factor}")
        if not 0 < self.low < self.high:
            raise ValueError(f"expected low above 0 and below high, got low={self.low} and high={self.high}")
