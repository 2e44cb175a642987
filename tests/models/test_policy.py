"""companion.models.rl.policy and .rollout against closed forms, sums by definition, and environments with a script."""

import dataclasses
import re

import gymnasium
import numpy as np
import pytest
import torch
from torch.distributions import Categorical
from torch.utils.flop_counter import FlopCounterMode

from companion.economics.compute import forward_flops, parameter_count
from companion.models import ActorCritic, ActorCriticConfig, advantages, discounted_returns, rollout

BATCH, FEATURES, ACTIONS = 13, 5, 3
TIME, ENV = 11, 7


def make(dtype=torch.float64, **options) -> ActorCritic:
    torch.manual_seed(17)
    sizes = {"features": FEATURES, "actions": ACTIONS, "hidden": (11, 7)}
    model = ActorCritic(ActorCriticConfig(**(sizes | options))).to(dtype)
    with torch.no_grad():
        model.actor.weight.mul_(100)  # away from the uniform policy
    return model


def batch(dtype=torch.float64):
    """Observations, actions, advantages, returns, log-probabilities."""
    observations, actions = torch.randn(BATCH, FEATURES, dtype=dtype), torch.randint(ACTIONS, (BATCH,))
    return observations, actions, *torch.randn(2, BATCH, dtype=dtype), -torch.rand(BATCH, dtype=dtype)


def experience(time=TIME, env=ENV):
    """Rewards, values, terminated, truncated; all four pairs of marks occur."""
    ends = torch.rand(2, time, env) < 0.3
    assert {(bool(a), bool(b)) for a, b in ends.flatten(1).T} == {(a, b) for a in (0, 1) for b in (0, 1)}
    return torch.randn(time, env).double(), torch.randn(time + 1, env).double(), *ends


# The model and its loss


@pytest.mark.parametrize("one_trunk", [False, True])
def test_loss_equals_the_formula_with_torch_distributions(one_trunk):
    model = make(one_trunk=one_trunk, value_weight=0.7, entropy_weight=0.3)
    observations, actions, better, returns, _ = batch()
    policy = Categorical(logits=model(observations))
    error = (model.value(observations) - returns).square()
    expected = (-policy.log_prob(actions) * better + 0.7 * error - 0.3 * policy.entropy()).mean()
    torch.testing.assert_close(model.loss(observations, actions, better, returns), expected, rtol=0, atol=1e-14)


def test_clipped_loss_equals_the_formula_a_sample_at_a_time():
    model = make(clip=0.1)
    observations, actions, better, returns, old = batch()
    new, values = Categorical(logits=model(observations)).log_prob(actions).tolist(), model.value(observations).tolist()
    terms, seen = [], set()
    for i in range(BATCH):
        ratio, gain = np.exp(new[i] - old[i].item()), better[i].item()
        # What Schulman et al. 2017 draw in figure 1: flat beyond 1 + ε for gains, below 1 − ε for losses.
        bounded = min(ratio, 1.1) if gain > 0 else max(ratio, 0.9)
        seen.add((gain > 0, bounded == ratio))
        terms.append(-bounded * gain + 0.5 * (values[i] - returns[i].item()) ** 2)
    assert len(seen) == 4  # gains and losses, clipped and not
    assert model.loss(observations, actions, better, returns, old).item() == pytest.approx(np.mean(terms), abs=1e-13)


def test_the_clipped_loss_starts_with_the_policy_gradient():
    model = make()
    observations, actions, better, returns, _ = batch()
    old = Categorical(logits=model(observations)).log_prob(actions).detach()
    plain = torch.autograd.grad(model.loss(observations, actions, better, returns), model.parameters())
    clipped = torch.autograd.grad(model.loss(observations, actions, better, returns, old), model.parameters())
    for one, other in zip(plain, clipped, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_gradient_on_a_bandit_equals_the_closed_form():
    """With every arm pulled in proportion to π, ∂L/∂logit_a is −π_a (q_a − Σ_b π_b q_b): exact, not an estimate."""
    model = make(features=1, hidden=(1,), one_trunk=True)
    policy, rewards = torch.tensor([[0.2, 0.5, 0.3], [1, -2, 4]], dtype=torch.float64)
    with torch.no_grad():
        model.actor.weight.zero_()
        model.actor.bias.copy_(policy.log())
    actions = torch.tensor([0, 0, 1, 1, 1, 1, 1, 2, 2, 2])
    model.loss(torch.ones(10, 1).double(), actions, rewards[actions], torch.zeros(10).double()).backward()
    expected = -policy * (rewards - policy @ rewards)
    torch.testing.assert_close(model.actor.bias.grad, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("old", [False, True])
def test_gradcheck(old):
    model = make(entropy_weight=0.3)
    observations, *rest = batch()
    rest = rest if old else rest[:-1]
    names, parameters = zip(*model.named_parameters(), strict=True)

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self):
            return self.model.loss(observations, *rest)

    module = Loss()
    assert torch.autograd.gradcheck(
        lambda *p: torch.func.functional_call(module, {f"model.{n}": v for n, v in zip(names, p, strict=True)}, ()),
        parameters,
    )


def test_actions_are_drawn_from_the_policy():
    model = make()
    observation = torch.randn(1, FEATURES).double()
    drawn = model.act(observation.expand(20_000, -1), torch.Generator().manual_seed(3))
    frequency = drawn.bincount(minlength=ACTIONS) / 20_000
    # Four standard deviations of a frequency are at most 4·√(1/4/20,000) = 0.0141.
    torch.testing.assert_close(frequency.double(), model(observation).softmax(-1)[0].detach(), rtol=0, atol=0.0142)
    again = model.act(observation.expand(20_000, -1), torch.Generator().manual_seed(3))
    assert torch.equal(drawn, again)


@pytest.mark.parametrize("one_trunk", [False, True])
def test_counts(one_trunk):
    model = make(one_trunk=one_trunk)
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch()[0])
    assert forward_flops(model.config, batch=BATCH) == counter.get_total_flops()


# Returns and advantages


def test_advantages_worked_on_paper():
    """Discount 0.5, trace decay 0.5; in each environment another end after the second of three steps."""
    rewards, values = (
        torch.tensor([[1.0, 1, 1], [2, 2, 2], [4, 4, 4]]),
        torch.tensor([[8.0] * 3, [6] * 3, [4] * 3, [2] * 3]),
    )
    terminated = torch.tensor([[False] * 3, [True, False, False], [False] * 3])
    truncated = torch.tensor([[False] * 3, [False, True, False], [False] * 3])
    found = advantages(rewards, values, terminated, truncated, discount=0.5, trace_decay=0.5)
    # δ of step 2: 4 + 0.5·2 − 4 = 1. Of step 1: 2 − 6 = −4 where it terminated, else 2 + 0.5·4 − 6 = −2. Of step 0:
    # 1 + 0.5·6 − 8 = −4. Then A of step 1 is δ, or δ + 0.25·1 where it goes on, and A of step 0 is δ + 0.25 of that.
    assert found.tolist() == [[-5.0, -4.5, -4.4375], [-4.0, -2.0, -1.75], [1.0, 1.0, 1.0]]
    returns = discounted_returns(rewards, values, terminated, truncated, discount=0.5)
    # Step 2: 4 + 0.5·2 = 5. Step 1: 2; 2 + 0.5·4 = 4; 2 + 0.5·5 = 4.5. Step 0: 1 + half of that.
    assert returns.tolist() == [[2.0, 3.0, 3.25], [2.0, 4.0, 4.5], [5.0, 5.0, 5.0]]


@pytest.mark.parametrize("trace_decay", [0.0, 0.9, 1.0])
def test_advantages_equal_their_definition(trace_decay):
    rewards, values, terminated, truncated = experience()
    expected = torch.zeros(TIME, ENV).double()
    for env in range(ENV):
        for start in range(TIME):
            for t in range(start, TIME):
                following = 0 if terminated[t, env] else values[t + 1, env]
                surprise = rewards[t, env] + 0.97 * following - values[t, env]
                expected[start, env] += (0.97 * trace_decay) ** (t - start) * surprise
                if terminated[t, env] or truncated[t, env]:
                    break
    found = advantages(rewards, values, terminated, truncated, discount=0.97, trace_decay=trace_decay)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_returns_equal_their_definition():
    rewards, values, terminated, truncated = experience()
    expected = torch.zeros(TIME, ENV).double()
    for env in range(ENV):
        for start in range(TIME):
            for t in range(start, TIME):
                expected[start, env] += 0.97 ** (t - start) * rewards[t, env]
                last = terminated[t, env] or truncated[t, env] or t == TIME - 1
                if last and not terminated[t, env]:
                    expected[start, env] += 0.97 ** (t - start + 1) * values[t + 1, env]
                if last:
                    break
    found = discounted_returns(rewards, values, terminated, truncated, discount=0.97)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_a_potential_changes_no_advantage():
    """Ng, Harada & Russell 1999: rewards shaped by γΦ(s') − Φ(s), values lowered by Φ, advantages as they were."""
    rewards, values, terminated, truncated = experience()
    potential = torch.randn_like(values)
    shaped = rewards + 0.97 * potential[1:] * ~terminated - potential[:-1]
    before = advantages(rewards, values, terminated, truncated, discount=0.97, trace_decay=0.9)
    after = advantages(shaped, values - potential, terminated, truncated, discount=0.97, trace_decay=0.9)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-13)


def test_a_perfect_critic_sees_no_advantage_through_a_time_limit():
    """One reward a step for ever is worth 1/(1 − γ), wherever the limit cuts it off; at a true end it is not."""
    ones, values, never = torch.ones(TIME, ENV), torch.full((TIME + 1, ENV), 10.0), torch.zeros(TIME, ENV).bool()
    cut = torch.rand(TIME, ENV) < 0.3
    through = advantages(ones, values, never, cut, discount=0.9, trace_decay=0.8)
    torch.testing.assert_close(through, torch.zeros(TIME, ENV), rtol=0, atol=1e-5)
    assert advantages(ones, values, cut, never, discount=0.9, trace_decay=0.8).min() < -8


# Rollouts


class Scripted(gymnasium.Env):
    """Observes (episode, step, episode, step, 0); episodes last as long as the script says; rewards count steps."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (FEATURES,))
    action_space = gymnasium.spaces.Discrete(ACTIONS)

    def __init__(self, lengths, truncates):
        self.lengths, self.truncates, self.episode = lengths, truncates, -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.step_count = self.episode + 1, 0
        return self._observation(), {}

    def step(self, action):
        self.step_count += 1
        over = self.step_count == self.lengths[self.episode]
        return self._observation(), float(self.step_count), over and not self.truncates, over and self.truncates, {}

    def _observation(self):
        return np.array([self.episode, self.step_count] * 2 + [0], dtype=np.float32)


def scripted(**options):
    lengths = [(2, 5, 11), (3, 1, 13)]
    makers = [lambda n=n, i=i: Scripted(n, truncates=i == 1) for i, n in enumerate(lengths)]
    return gymnasium.vector.SyncVectorEnv(makers, **options)


@pytest.mark.parametrize("copy", [True, False])
def test_a_rollout_is_what_the_script_says(copy):
    model = make(torch.float32)
    found = rollout(model, scripted(copy=copy), 7, generator=torch.Generator().manual_seed(3))
    steps = found.observations[:, :, 1].T.tolist()
    # After the last step of an episode stands its last observation; the step after that only resets.
    assert steps == [[0, 1, 2, 0, 1, 2, 3, 4], [0, 1, 2, 3, 0, 1, 0, 1]]
    assert found.rewards.T.tolist() == [[1, 2, 0, 1, 2, 3, 4], [1, 2, 3, 0, 1, 0, 1]]
    assert found.acted.T.tolist() == [
        [True, True, False, True, True, True, True],
        [True] * 3 + [False, True, False, True],
    ]
    assert found.terminated.nonzero().tolist() == [[1, 0]]
    assert found.truncated.nonzero().tolist() == [[2, 1], [4, 1]]


def test_two_rollouts_are_one():
    model, generator = make(torch.float32), torch.Generator()
    whole = rollout(model, scripted(), 7, generator=generator.manual_seed(3))
    for cut in range(1, 7):
        environments = scripted()
        first = rollout(model, environments, cut, generator=generator.manual_seed(3))
        second = rollout(model, environments, 7 - cut, generator=generator, after=first)
        assert torch.equal(torch.cat([first.observations[:-1], second.observations]), whole.observations)
        for name in ("actions", "rewards", "terminated", "truncated", "acted"):
            assert torch.equal(torch.cat([getattr(first, name), getattr(second, name)]), getattr(whole, name)), name


def test_a_batch_is_of_the_steps_that_the_model_acted_in():
    model = make(torch.float32)
    found = rollout(model, scripted(), 7, generator=torch.Generator().manual_seed(3))
    observations, actions, better, returns, scores = found.batch(model, discount=0.9, trace_decay=1.0)
    assert len(observations) == 11 == 14 - 3  # three steps were resets
    assert better.mean().item() == pytest.approx(0, abs=1e-6)
    assert better.std().item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(scores, Categorical(logits=model(observations)).log_prob(actions).detach())
    # The first environment's episode of two steps ends for good: 2, then 1 + 0.9·2. Rows go by step, then environment.
    torch.testing.assert_close(returns[[0, 2]], torch.tensor([2.8, 2.0]))
    # The other's, of three, is cut off: its last step counts the critic's value of the episode's last observation.
    beyond = model.value(torch.tensor([[0.0, 3, 0, 3, 0]])).item()
    assert returns[4].item() == pytest.approx(3 + 0.9 * beyond, abs=1e-5)


def test_one_acted_step_is_learned_from_without_nan():
    """Two steps in one environment whose episodes last one: the second only starts the next."""
    model = make(torch.float32)
    environments = gymnasium.vector.SyncVectorEnv([lambda: Scripted((1, 5), truncates=False)])
    found = rollout(model, environments, 2, generator=torch.Generator().manual_seed(3))
    assert found.acted.T.tolist() == [[True, False]]
    batch = found.batch(model, discount=0.9, trace_decay=1.0)
    assert batch[2].tolist() == [0.0]
    loss = model.loss(*batch)
    loss.backward()
    error = model.value(batch[0]) - 1.0  # the episode's only reward
    torch.testing.assert_close(loss, 0.5 * error.square()[0])
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    reset = rollout(model, environments, 1, generator=torch.Generator(), after=ended(found))
    with pytest.raises(ValueError, match="expected a step in which the model acted, got 1 steps that only started"):
        reset.batch(model, discount=0.9, trace_decay=1.0)


def ended(found):
    """The same rollout, but its last step ended an episode."""
    return dataclasses.replace(found, terminated=torch.ones_like(found.terminated))


def train(seed, updates):
    """Proximal policy optimization on CartPole: 16 environments, 64 steps, 6 passes in 4 parts, a falling step size."""
    torch.manual_seed(seed)
    model, generator = ActorCritic(ActorCriticConfig(features=4, actions=2)), torch.Generator().manual_seed(seed)
    environments = gymnasium.make_vec("CartPole-v1", num_envs=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=updates)
    last = None
    for _ in range(updates):
        last = rollout(model, environments, 64, generator=generator, after=last)
        data = last.batch(model, discount=0.99, trace_decay=0.95)
        for rows in [rows for _ in range(6) for rows in torch.randperm(len(data[0])).chunk(4)]:
            optimizer.zero_grad()
            model.loss(*(tensor[rows] for tensor in data)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        schedule.step()
    return model


def mean_return(model, seed, episodes=100):
    """Of one episode an environment: those that end first in a given number of steps would be the short ones."""
    environments = gymnasium.make_vec("CartPole-v1", num_envs=episodes)
    found = rollout(model, environments, 500, generator=torch.Generator().manual_seed(10_000 + seed))
    ended = (found.terminated | found.truncated).long()
    assert ended.any(dim=0).all()
    first = ended.cumsum(dim=0) - ended == 0
    return (found.rewards * first).sum(dim=0).mean().item()


def test_training_lengthens_episodes():
    untrained = ActorCritic(ActorCriticConfig(features=4, actions=2))
    assert mean_return(untrained, 0, episodes=50) < 35  # about 22 steps at random
    assert mean_return(train(0, updates=16), 0, episodes=50) > 70


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_solves_cart_pole(seed):
    threshold = gymnasium.spec("CartPole-v1").reward_threshold
    assert threshold == 475
    assert mean_return(train(seed, updates=80), seed) >= threshold


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "expected features to be a positive integer, got 0"),
        ({"actions": 1}, "at least two actions .* got actions=1"),
        ({"hidden": ()}, "expected hidden to hold at least one layer .* got \\(\\)"),
        ({"hidden": (3, 0)}, "expected hidden to hold at least one layer of at least one unit"),
        ({"value_weight": 0.0}, "value_weight above 0 .* got value_weight=0.0"),
        ({"entropy_weight": -0.1}, "entropy_weight of at least 0, got .* entropy_weight=-0.1"),
        ({"clip": 1.0}, "expected clip between 0 and 1, got 1.0"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ActorCriticConfig(**({"features": FEATURES, "actions": ACTIONS} | options))


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda t: t[0], r"observations of shape \[batch, 5\] .* got \[5\]"),
        (0, lambda t: t[:, :4], r"observations of shape \[batch, 5\] .* got \[13, 4\]"),
        (0, lambda t: t.float(), "dtype torch.float64, got .* torch.float32"),
        (0, lambda t: t[:0], "at least one element"),
        (1, lambda t: t[:, None], r"actions of shape \[13\] .* got \[13, 1\]"),
        (1, lambda t: t.double(), "actions of .* dtype torch.int64"),
        (1, lambda t: t + 1, "expected actions from 0 to 2, got 1 to 3; number the actions from 0"),
        (2, lambda t: t[:, None], r"advantages of shape \[13\] .* got \[13, 1\]"),
        (3, lambda t: t[:1], r"returns of shape \[13\] .* got \[1\]"),
        (4, lambda t: t.float(), "log_probabilities of .* torch.float32"),
    ],
)
def test_bad_batches_are_refused(place, change, message):
    tensors = list(batch())
    tensors[place] = change(tensors[place])
    with pytest.raises(ValueError, match=message):
        make().loss(*tensors)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda t: t[0], r"rewards of shape \[time, env\] .* got \[7\]"),
        (1, lambda t: t[1:], r"values of shape \[12, 7\] .* got \[11, 7\] .* one more step than rewards"),
        (2, lambda t: t[:, :1], r"terminated of shape \[11, 7\]"),
        (3, lambda t: t.long(), "truncated of .* dtype torch.bool"),
    ],
)
def test_bad_experience_is_refused(place, change, message):
    tensors = list(experience())
    tensors[place] = change(tensors[place])
    with pytest.raises(ValueError, match=message):
        discounted_returns(*tensors, discount=0.9)


def test_discounts_that_are_no_fractions_are_refused():
    with pytest.raises(ValueError, match="expected discount from 0 to 1, got 1.1"):
        discounted_returns(*experience(), discount=1.1)
    with pytest.raises(ValueError, match="expected trace_decay from 0 to 1, got -0.1"):
        advantages(*experience(), discount=1.0, trace_decay=-0.1)


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Box(-1.0, 1.0, (ACTIONS,)),
        gymnasium.spaces.MultiBinary(ACTIONS),
        gymnasium.spaces.MultiDiscrete([ACTIONS]),
        gymnasium.spaces.Discrete(ACTIONS + 1),
        gymnasium.spaces.Discrete(ACTIONS, start=1),
    ],
    ids=str,
)
def test_actions_that_are_not_the_models_are_refused(space):
    class Other(Scripted):
        action_space = space

    environments = gymnasium.vector.SyncVectorEnv([lambda: Other((2, 5), truncates=False)])
    message = f"expected environments with the model's {ACTIONS} discrete actions, numbered from 0, got {space}: "
    with pytest.raises(ValueError, match=re.escape(message)):
        rollout(make(torch.float32), environments, 3, generator=torch.Generator())


def test_environments_that_reset_otherwise_are_refused():
    model, generator = make(torch.float32), torch.Generator()
    environments = scripted(autoreset_mode="SameStep")
    with pytest.raises(ValueError, match="autoreset mode NextStep, got steps=7 and AutoresetMode.SAME_STEP"):
        rollout(model, environments, 7, generator=generator)
    with pytest.raises(ValueError, match="at least one step .* got steps=0"):
        rollout(model, scripted(), 0, generator=generator)
