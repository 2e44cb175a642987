r"""Learning rates over time.

With :math:`\eta` the highest rate, :math:`T_w` steps of warm-up and :math:`r` the ``min_lr_ratio``: after a linear
rise,

- ``cosine`` (Loshchilov & Hutter 2017, eq. 5): :math:`\eta_t = r\eta + \tfrac12 (1 - r)\eta\,(1 + \cos \pi p)`, with
  :math:`p` the part of the way from the end of warm-up to the end of the run;
- ``wsd``, warm-up–stable–decay (Hu et al. 2024): :math:`\eta`, then a line down to :math:`r\eta` over the last
  ``decay_steps``;
- ``step``: :math:`\eta\, r^{\lfloor (t - T_w) / d \rfloor}` with :math:`d` = ``decay_steps``;
- ``constant``: :math:`\eta`.

``cosine`` and ``wsd`` reach :math:`r\eta` as the run ends: the step after the last would have it. With :math:`r = 0`
the last step thus still learns.
"""

import math

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from companion.training.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of ``step`` (from 0).

    Example:
        >>> config = TrainConfig(steps=100, batch_size=8, lr=1e-3, warmup_steps=10, min_lr_ratio=0.1)
        >>> [round(learning_rate(config, step), 6) for step in (0, 9, 50, 99)]
        [0.0001, 0.001, 0.000628, 0.0001]
    """
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    after, left = step - config.warmup_steps, config.steps - step
    low = config.min_lr_ratio * config.lr
    match config.schedule:
        case "cosine":
            progress = min(after / (config.steps - config.warmup_steps), 1.0)
            return low + 0.5 * (config.lr - low) * (1 + math.cos(math.pi * progress))
        case "wsd":
            return low + (config.lr - low) * min(max(left, 0) / config.decay_steps, 1.0)
        case "step":
            return config.lr * config.min_lr_ratio ** (after // config.decay_steps)
        case "constant":
            return config.lr


def plot_schedule(config: TrainConfig, axes: Axes | None = None) -> Axes:
    """Draws the learning rate of every step, on ``axes`` or on new ones.

    Example:
        >>> axes = plot_schedule(TrainConfig(steps=100, batch_size=8, schedule="wsd", warmup_steps=10, decay_steps=20))
        >>> axes.get_ylabel()
        'learning rate'
    """
    axes = plt.subplots()[1] if axes is None else axes
    axes.plot(range(config.steps), [learning_rate(config, step) for step in range(config.steps)], label=config.schedule)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    return axes
