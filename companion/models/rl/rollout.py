"""What a policy has lived through: rollouts in vectorized environments, returns, and advantages.

Generalized advantage estimation (Schulman et al. 2016), with what follows a limit on time counted (Pardo et al. 2018).

Axes: time (steps), time_and_last (steps, and the end of the last), env (environments side by side), features (numbers
an observation).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from companion.models.checks import check_tensor
from companion.models.rl.policy import ActorCritic


@torch.no_grad()
def advantages(
    rewards: Float[Tensor, "time env"],
    values: Float[Tensor, "time+1 env"],
    terminated: Bool[Tensor, "time env"],
    truncated: Bool[Tensor, "time env"],
    *,
    discount: float,
    trace_decay: float,
) -> Float[Tensor, "time env"]:
    r"""How much better each action was than the critic expected (Schulman et al. 2016, eq. 16).

    .. math::

        A_t = \sum_{l \ge 0} (\gamma\lambda)^l \delta_{t+l}, \qquad \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t),

    where the sum ends with the episode. :math:`\lambda = 0` trusts the critic after one step; with :math:`\lambda = 1`,
    :math:`A_t + V(s_t)` is the discounted return. Nothing follows an episode that *terminated*: there
    :math:`V(s_{t+1})` is replaced by 0. One that was *truncated*, by a limit on time, would have gone on, as would the
    last step of a rollout: there :math:`V(s_{t+1})` stands for what would have followed (Pardo et al. 2018).

    Args:
        rewards: :math:`r_t`, for the action of step t.
        values: :math:`V(s_t)`, of each step's observation and of the one after the last. After a step that ends an
            episode there must stand the value of the episode's last observation, not of the next episode's first.
        terminated: whether the episode ended in a final state.
        truncated: whether it was cut off; where it is also terminated, it is terminated.
        discount: :math:`\gamma`, from 0 to 1.
        trace_decay: :math:`\lambda`, from 0 to 1.

    Raises:
        ValueError: where shapes do not fit or a number lies outside [0, 1].

    Example:
        >>> rewards, values = torch.ones(3, 1), torch.zeros(4, 1)  # a critic that expects nothing
        >>> ended, never = torch.tensor([[False], [False], [True]]), torch.zeros(3, 1, dtype=torch.bool)
        >>> advantages(rewards, values, ended, never, discount=0.5, trace_decay=1.0).squeeze().tolist()
        [1.75, 1.5, 1.0]
    """
    _check(rewards, values, terminated, truncated, discount=discount, trace_decay=trace_decay)
    surprise = rewards + discount * values[1:] * ~terminated - values[:-1]
    goes_on = ~(terminated | truncated)
    found = surprise.clone()
    for t in reversed(range(len(found) - 1)):
        found[t] += discount * trace_decay * found[t + 1] * goes_on[t]
    return found


@torch.no_grad()
def discounted_returns(
    rewards: Float[Tensor, "time env"],
    values: Float[Tensor, "time+1 env"],
    terminated: Bool[Tensor, "time env"],
    truncated: Bool[Tensor, "time env"],
    *,
    discount: float,
) -> Float[Tensor, "time env"]:
    r""":math:`\sum_l \gamma^l r_{t+l}` to the end of the episode, and the critic's value where it was cut off.

    Arguments and errors as :func:`advantages`.

    Example:
        >>> rewards, values = torch.ones(3, 1), torch.full((4, 1), 8.0)
        >>> never = torch.zeros(3, 1, dtype=torch.bool)
        >>> discounted_returns(rewards, values, never, never, discount=0.5).squeeze().tolist()  # the last one goes on
        [2.75, 3.5, 5.0]
    """
    # With λ = 1 the sum telescopes: all values but the first and the last cancel.
    return values[:-1] + advantages(rewards, values, terminated, truncated, discount=discount, trace_decay=1.0)


class VectorEnvironments(Protocol):
    """The part of gymnasium's ``VectorEnv`` that :func:`rollout` uses.

    Example:
        >>> import gymnasium
        >>> environments = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
        >>> environments.num_envs
        3
    """

    num_envs: int
    metadata: dict[str, Any]
    single_action_space: Any

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """First observations, and information."""

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Observations, rewards, which episodes terminated, which were truncated, and information."""


@dataclass(frozen=True)
class Rollout:
    """Steps in environments side by side.

    Attributes:
        observations: before each step, and after the last.
        actions: what the model did.
        rewards: what it got for it.
        terminated: where an episode came to its end by that.
        truncated: where it was cut off.
        acted: False where the environment only started a new episode, whatever the action was.

    Example:
        >>> import gymnasium
        >>> from companion.models import ActorCriticConfig
        >>> environments = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
        >>> model = ActorCritic(ActorCriticConfig(features=4, actions=2))
        >>> played = rollout(model, environments, 50, generator=torch.Generator().manual_seed(0))
        >>> played.rewards.shape, bool(played.terminated.any())
        (torch.Size([50, 3]), True)
    """

    observations: Float[Tensor, "time_and_last env features"]
    actions: Int[Tensor, "time env"]
    rewards: Float[Tensor, "time env"]
    terminated: Bool[Tensor, "time env"]
    truncated: Bool[Tensor, "time env"]
    acted: Bool[Tensor, "time env"]

    @torch.no_grad()
    def batch(self, model: ActorCritic, *, discount: float, trace_decay: float) -> tuple[Tensor, ...]:
        """What ``model.loss`` takes, of all steps in which the model acted; ``model`` must be as it was then.

        Returns are advantages plus values; after that the advantages are standardized, to mean 0 and deviation 1. Where
        they are all equal, as one alone is, they become 0: there is nothing to prefer.

        Raises:
            ValueError: as :func:`advantages`, or where the model acted in no step.
        """
        values = model.value(self.observations.flatten(0, 1)).view(self.observations.shape[:2])
        found = advantages(
            self.rewards, values, self.terminated, self.truncated, discount=discount, trace_decay=trace_decay
        )
        returns = (found + values[:-1])[self.acted]
        seen, actions, better = self.observations[:-1][self.acted], self.actions[self.acted], found[self.acted]
        if not len(better):
            raise ValueError(
                f"expected a step in which the model acted, got {len(self.actions)} steps that only started episodes: "
                f"take more steps a rollout"
            )
        # One number has no deviation by n - 1, but by n: 0, so that it becomes 0 as equal ones do.
        better = (better - better.mean()) / (better.std(correction=min(1, len(better) - 1)) + 1e-8)
        scores = model(seen).log_softmax(dim=-1).gather(1, actions[:, None]).squeeze(1)
        return seen, actions, better, returns, scores


@torch.no_grad()
def rollout(
    model: ActorCritic,
    environments: VectorEnvironments,
    steps: int,
    *,
    generator: torch.Generator,
    after: Rollout | None = None,
) -> Rollout:
    """Lets the model act for ``steps`` steps.

    Args:
        model: the policy; actions are drawn from it.
        environments: as ``gymnasium.make_vec`` makes them: an episode that ended is reset by the *next* step, whatever
            its action. Other modes are refused: their observation after the last step is not that of the episode.
        steps: number of steps.
        generator: draws the actions, and the seed of a first reset; on the model's device.
        after: the rollout that this one goes on from; none to reset the environments.

    Raises:
        ValueError: for fewer than one step, or environments of another mode or with other actions than the model's.

    Example:
        >>> import gymnasium
        >>> from companion.models import ActorCriticConfig
        >>> environments = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
        >>> model, generator = ActorCritic(ActorCriticConfig(features=4, actions=2)), torch.Generator().manual_seed(0)
        >>> first = rollout(model, environments, 20, generator=generator)
        >>> second = rollout(model, environments, 20, generator=generator, after=first)  # the same episodes go on
        >>> bool(torch.equal(second.observations[0], first.observations[-1]))
        True
    """
    _check_actions(model, environments.single_action_space)
    mode = environments.metadata.get("autoreset_mode")
    if steps < 1 or getattr(mode, "value", mode) != "NextStep":
        raise ValueError(
            f"expected at least one step and environments with autoreset mode NextStep, got steps={steps} and {mode}; "
            "make them with gymnasium.make_vec, whose default this is"
        )
    weight = model.actor.weight
    if after is None:
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        seen = [torch.tensor(environments.reset(seed=seed)[0], dtype=weight.dtype, device=weight.device)]
        ended = torch.zeros(environments.num_envs, dtype=torch.bool, device=weight.device)
    else:
        seen, ended = [after.observations[-1]], after.terminated[-1] | after.truncated[-1]
    columns: list[tuple[Tensor, ...]] = []
    for _ in range(steps):
        actions = model.act(seen[-1], generator)
        observations, rewards, *ends, _ = environments.step(actions.cpu().numpy())
        seen.append(torch.tensor(observations, dtype=weight.dtype, device=weight.device))
        terminated, truncated = (torch.tensor(end, device=weight.device) for end in ends)
        rewards = torch.tensor(rewards, dtype=weight.dtype, device=weight.device)
        columns.append((actions, rewards, terminated, truncated, ~ended))
        ended = terminated | truncated
    return Rollout(torch.stack(seen), *(torch.stack(column) for column in zip(*columns, strict=True)))


def _check_actions(model: ActorCritic, space: Any) -> None:
    """Refuses what is not gymnasium's ``Discrete(actions)``: a continuous space has no ``n``, others no ``start``."""
    n = model.config.actions
    if (getattr(space, "n", None), getattr(space, "start", None)) != (n, 0):
        raise ValueError(
            f"expected environments with the model's {n} discrete actions, numbered from 0, got {space}: "
            f"change config.actions, or wrap the environments so that a continuous action is chosen from a list"
        )


def _check(rewards: Tensor, values: Tensor, *ends: Tensor, **fractions: float) -> None:
    check_tensor("rewards", rewards, "time", "env")
    time, env = rewards.shape
    check_tensor("values", values, time + 1, env, dtype=rewards.dtype, do="one more step than rewards: what came last")
    for name, tensor in zip(("terminated", "truncated"), ends, strict=True):
        check_tensor(name, tensor, time, env, dtype=torch.bool, do="one mark a reward")
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise ValueError(f"expected {name} from 0 to 1, got {fraction}")
