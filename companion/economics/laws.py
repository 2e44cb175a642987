r"""The law by which a model's loss falls with parameters and tokens, and the cheapest sizes that follow from it.

.. math:: L(N, D) = E + A N^{-\alpha} + B D^{-\beta}

(Hoffmann et al. 2022, equation 2.) :func:`companion.stats.chinchilla` fits it to runs of one's own, with intervals;
here are coefficients that others published, and what they imply.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from companion.checks import is_number
from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class Plan:
    """A size and an amount of text.

    Attributes:
        parameters: :math:`N`.
        tokens: :math:`D` to train on.
        loss: that the law expects, in nats a token.
        training_flops: :math:`6ND`.
        serving_flops: :math:`2N` for each token served over the model's life.
    """

    parameters: float
    tokens: float
    loss: float
    training_flops: float
    serving_flops: float

    @property
    def tokens_per_parameter(self) -> float:
        """:math:`D / N`."""
        return self.tokens / self.parameters


@dataclass(frozen=True)
class LossLaw:
    r"""The coefficients of one published fit.

    Attributes:
        irreducible: :math:`E`, in nats a token.
        coefficient_n: :math:`A`, in the loss's unit.
        exponent_n: :math:`\alpha` of the parameters.
        coefficient_d: :math:`B`, in the loss's unit.
        exponent_d: :math:`\beta` of the tokens.

    Raises:
        ValueError: for a coefficient or an exponent that is not positive.
    """

    irreducible: float
    coefficient_n: float
    exponent_n: float
    coefficient_d: float
    exponent_d: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_positive(name, value)

    def loss(self, parameters: float, tokens: float) -> float:
        """The loss expected of ``parameters`` trained on ``tokens``, in nats a token; both may be infinite."""
        for name, size in (("parameters", parameters), ("tokens", tokens)):
            if not is_number(size) or size <= 0:
                raise ValueError(f"expected {name} to be a number above 0, got {size!r}")
        of_size = self.coefficient_n * parameters**-self.exponent_n
        return self.irreducible + of_size + self.coefficient_d * tokens**-self.exponent_d

    def compute_optimal(self, flops: float) -> Plan:
        r"""The split of :math:`C = 6ND` operations that leaves the least loss (Hoffmann et al. 2022, equation 4).

        .. math:: N = G (C/6)^{\beta / (\alpha + \beta)}, \quad D = C / (6N), \quad
            G = (\alpha A / \beta B)^{1 / (\alpha + \beta)}

        >>> round(PRINTED.compute_optimal(6 * 70e9 * 1.4e12).tokens_per_parameter, 1)
        92.8
        """
        check_positive("flops", flops)
        both = self.exponent_n + self.exponent_d
        ratio = self.exponent_n * self.coefficient_n / (self.exponent_d * self.coefficient_d)
        parameters = ratio ** (1 / both) * (flops / 6) ** (self.exponent_d / both)
        return self._plan(parameters, flops / (6 * parameters), served=0)

    def tokens_for(self, loss: float, parameters: float) -> float:
        """The tokens after which a model of ``parameters`` reaches ``loss``.

        Raises:
            ValueError: where no amount of text suffices.
        """
        check_positive("loss", loss)
        left = loss - self.loss(parameters, float("inf"))
        if left <= 0:
            raise ValueError(
                f"expected a loss above {self.loss(parameters, float('inf')):.4f}, which {parameters:.3g} parameters "
                f"reach with endless text, got {loss}: take more parameters"
            )
        return float((self.coefficient_d / left) ** (1 / self.exponent_d))

    def lifetime_optimal(self, loss: float, *, served: float) -> Plan:
        """The cheapest plan that reaches ``loss``, training and ``served`` tokens counted (Sardana et al. 2024).

        It minimizes :math:`6ND + 2N D_s` over :math:`N`. The more is served, the smaller the model, and the longer it
        is trained. An operation of serving counts like one of training; at a lower utilization it costs more.

        Args:
            loss: to be reached, in nats a token.
            served: tokens read and written over the model's life, :math:`D_s`; 0 for the optimum of training alone.

        Raises:
            ValueError: for a loss that the law never reaches.
        """
        check_positive("loss", loss)
        if not is_number(served) or not 0 <= served < np.inf:
            raise ValueError(f"expected served, a number of tokens, of at least 0, got {served!r}")
        if loss <= self.irreducible:
            raise ValueError(f"expected a loss above the irreducible {self.irreducible}, got {loss}")
        least = (self.coefficient_n / (loss - self.irreducible)) ** (1 / self.exponent_n)

        def flops(log_factor: float) -> float:
            parameters = least * np.exp(log_factor)
            return float(parameters * (6 * self.tokens_for(loss, parameters) + 2 * served))

        found = minimize_scalar(
            lambda u: np.log(flops(u)), bounds=(1e-6, 10), method="bounded", options={"xatol": 1e-8}
        )
        parameters = float(least * np.exp(found.x))
        return self._plan(parameters, self.tokens_for(loss, parameters), served=served)

    def flops_for(self, loss: float) -> float:
        """The least operations of training that reach ``loss``.

        Raises:
            ValueError: for a loss that the law never reaches.
        """
        return self.lifetime_optimal(loss, served=0).training_flops

    def _plan(self, parameters: float, tokens: float, *, served: float) -> Plan:
        return Plan(
            parameters=parameters,
            tokens=tokens,
            loss=self.loss(parameters, tokens),
            training_flops=6 * parameters * tokens,
            serving_flops=2 * parameters * served,
        )


#: As printed in Hoffmann et al. 2022 (approach 3, equation 10), rounded to two digits in the exponents.
PRINTED = LossLaw(1.69, 406.4, 0.34, 410.7, 0.28)

#: The same fit with the digits of the paper's TeX source, as Besiroglu et al. 2024 report them.
TEX_SOURCE = LossLaw(1.6934, 406.4, 0.3392, 410.7, 0.2849)

#: Besiroglu et al. 2024, refitted to the points read off Hoffmann et al.'s figure 4. Standard errors: 0.03, 124.58,
#: 0.02, 1293.23, 0.02.
REFIT = LossLaw(1.8172, 482.01, 0.3478, 2085.43, 0.3658)
