"""A policy over discrete actions with a critic beside it: advantage actor-critic, and proximal policy optimization.

Sources: Mnih et al. 2016; Schulman et al. 2017. Departures: advantages and returns are constants that the caller
computes once a rollout, and actor and critic may have trunks of their own.

Axes: batch; features (numbers an observation); actions.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import check_sizes
from companion.models.checks import check_tensor, check_values


@dataclass(frozen=True)
class ActorCriticConfig:
    """Sizes and loss of an :class:`ActorCritic`.

    Attributes:
        features: numbers an observation.
        actions: number of actions.
        hidden: units of each hidden layer of a trunk.
        one_trunk: whether actor and critic have one trunk in common. The critic's gradient then moves the actor too.
        value_weight: weight of the critic's squared error in the loss.
        entropy_weight: weight of the entropy in the loss, which keeps the actor from settling too early.
        clip: how far the probability ratio may move and still be rewarded, as a fraction of 1.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> ActorCriticConfig(features=4, actions=2, hidden=(32,), one_trunk=True, entropy_weight=0.01).clip
        0.2
        >>> ActorCriticConfig(features=4, actions=0)
        Traceback (most recent call last):
        ValueError: expected actions to be a positive integer, got 0
    """

    features: int
    actions: int
    hidden: tuple[int, ...] = (64, 64)
    one_trunk: bool = False
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    clip: float = 0.2

    def __post_init__(self) -> None:
        check_sizes(self, "features", "actions")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"expected hidden to hold at least one layer of at least one unit, got {self.hidden}")
        if self.actions < 2:
            raise ValueError(f"expected at least two actions to choose from, got actions={self.actions}")
        if self.value_weight <= 0 or self.entropy_weight < 0:
            got = f"value_weight={self.value_weight} and entropy_weight={self.entropy_weight}"
            raise ValueError(f"expected a value_weight above 0 and an entropy_weight of at least 0, got {got}")
        if not 0 < self.clip < 1:
            raise ValueError(f"expected clip between 0 and 1, got {self.clip}")


class ActorCritic(nn.Module):
    r"""An actor :math:`\pi(a \mid s)` and a critic :math:`V(s)`: two perceptrons with tanh, or one with two heads.

    Calling it gives the actor's logits, whose softmax is :math:`\pi`; :meth:`value` gives the return that the critic
    expects from observation s on.

    Weights start orthogonal with gain √2 (1 for the critic's head) and zero biases; the actor's head starts a hundred
    times smaller, so that the first policy is close to uniform (Andrychowicz et al. 2021).

    Args:
        config: sizes and loss.

    Example:
        >>> model = ActorCritic(ActorCriticConfig(features=4, actions=2))
        >>> observations = torch.randn(5, 4)
        >>> model(observations).softmax(dim=1).shape  # how likely each action is
        torch.Size([5, 2])
        >>> model.value(observations).shape  # the return that is expected
        torch.Size([5])
    """

    def __init__(self, config: ActorCriticConfig) -> None:
        super().__init__()
        self.config = config
        self.trunks = nn.ModuleList(_trunk(config) for _ in range(1 if config.one_trunk else 2))
        self.actor = _linear(config.hidden[-1], config.actions, gain=0.01)
        self.critic = _linear(config.hidden[-1], 1, gain=1.0)

    def forward(self, observations: Float[Tensor, "batch features"]) -> Float[Tensor, "batch actions"]:
        """The logits of the actions.

        Raises:
            ValueError: where the observations have another shape or dtype than the model takes.
        """
        self._check_observations(observations)
        return self.actor(self.trunks[0](observations))

    def value(self, observations: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
        """The return that the critic expects.

        Raises:
            ValueError: as :meth:`forward`.
        """
        self._check_observations(observations)
        return self.critic(self.trunks[-1](observations)).squeeze(-1)

    def loss(
        self,
        observations: Float[Tensor, "batch features"],
        actions: Int[Tensor, " batch"],
        advantages: Float[Tensor, " batch"],
        returns: Float[Tensor, " batch"],
        log_probabilities: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        r"""The actor's loss, the critic's, and the entropy H of the policy in nats; bars are means over the batch.

        .. math::

            L = -\overline{g} + c_v\, \overline{(V(s) - R)^2} - c_e\, \overline{H(\pi(\cdot \mid s))}

        For one step with a batch of actions, advantage actor-critic (Mnih et al. 2016) takes
        :math:`g = A \log \pi(a \mid s)`, with advantages A and returns R (:func:`advantages`). For several steps,
        proximal policy optimization (Schulman et al. 2017, eq. 7) compares with the :math:`\pi_0` that drew the action:

        .. math::

            g = \min\bigl(\rho A,\ \mathrm{clip}(\rho, 1 - \varepsilon, 1 + \varepsilon)\, A\bigr), \qquad
            \rho = \pi(a \mid s) / \pi_0(a \mid s).

        Args:
            observations: what was seen.
            actions: what was done.
            advantages: A, how much better that was than the critic expected; often standardized.
            returns: R, what the critic should have expected.
            log_probabilities: :math:`\log \pi_0(a \mid s)`, for proximal policy optimization.

        Raises:
            ValueError: where a shape or dtype does not fit, or an action does not exist.
        """
        self._check_batch(observations, actions, advantages, returns, log_probabilities)
        features = [trunk(observations) for trunk in self.trunks]
        scores = self.actor(features[0]).log_softmax(dim=-1)
        chosen = scores.gather(1, actions[:, None]).squeeze(1)
        if log_probabilities is None:
            gain = advantages * chosen
        else:
            ratio = (chosen - log_probabilities).exp()
            clipped = ratio.clamp(1 - self.config.clip, 1 + self.config.clip)
            gain = torch.minimum(ratio * advantages, clipped * advantages)
        entropy = -(scores.exp() * scores).sum(dim=-1)
        error = self.critic(features[-1]).squeeze(-1) - returns
        weighted = self.config.value_weight * error.square() - self.config.entropy_weight * entropy
        return (weighted - gain).mean()

    def n_targets(self, observations: Float[Tensor, "batch features"], *numbers: Tensor | None) -> int:
        """The number of observations: what the mean of :meth:`loss` is over."""
        return len(observations)

    @torch.no_grad()
    def act(self, observations: Float[Tensor, "batch features"], generator: torch.Generator) -> Int[Tensor, " batch"]:
        """One action an observation, drawn from the policy. (The likeliest is ``model(observations).argmax(-1)``.)

        Args:
            observations: what is seen.
            generator: draws; on the model's device.

        Raises:
            ValueError: as :meth:`forward`.
        """
        return torch.multinomial(self(observations).softmax(dim=-1), 1, generator=generator).squeeze(1)

    def _check_observations(self, observations: Tensor) -> None:
        dtype = self.actor.weight.dtype
        do = f"one row of config.features numbers an observation, converted with to({dtype})"
        check_tensor("observations", observations, "batch", self.config.features, dtype=dtype, do=do)

    def _check_batch(self, observations: Tensor, actions: Tensor, *numbers: Tensor | None) -> None:
        self._check_observations(observations)
        batch = len(observations)
        check_tensor("actions", actions, batch, dtype=torch.int64, do="one action an observation")
        check_values("actions", actions, 0, self.config.actions - 1, do="number the actions from 0")
        for name, tensor in zip(("advantages", "returns", "log_probabilities"), numbers, strict=True):
            if tensor is not None:
                check_tensor(name, tensor, batch, dtype=observations.dtype, do="one number an observation")


def _linear(inputs: int, outputs: int, *, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _trunk(config: ActorCriticConfig) -> nn.Sequential:
    sizes = (config.features, *config.hidden)
    layers = [(_linear(inputs, outputs, gain=math.sqrt(2)), nn.Tanh()) for inputs, outputs in pairwise(sizes)]
    return nn.Sequential(*(layer for pair in layers for layer in pair))
