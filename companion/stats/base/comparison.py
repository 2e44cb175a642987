"""What a comparison of two models, or two groups, found: a difference with its interval, and a test."""

from dataclasses import dataclass

from companion.stats.base.intervals import Interval
from companion.stats.base.result import Result, p_in_words


@dataclass(frozen=True)
class Comparison(Result):
    """The difference of two models in one metric; ``print`` shows it as one sentence.

    Attributes:
        difference: metric of a minus metric of b, in the metric's unit, with its interval.
        p_value: two-sided: the probability of a difference at least this large, were the models equally good.
        test: the test that gave it, in words.
    """

    difference: Interval
    p_value: float
    test: str

    def __str__(self) -> str:
        return f"The difference, a minus b, is {self.difference.in_words()}; {p_in_words(self.p_value)} ({self.test})."


@dataclass(frozen=True)
class SizedComparison(Comparison):
    """A comparison in a unit that says little by itself, and therefore with an effect size beside the p-value.

    Attributes:
        difference: of a minus b, with its interval.
        p_value: two-sided: the probability of a difference at least this large, were there none.
        test: the test that gave it, in words.
        effect: the effect size, a pure number; positive where a is larger.
        effect_name: which effect size it is.
    """

    effect: float
    effect_name: str

    def __str__(self) -> str:
        return f"{super().__str__()[:-1]}; the {self.effect_name} is {self.effect:z.2f}."
