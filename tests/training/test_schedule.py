import matplotlib.pyplot as plt
import pytest
import torch

from companion.training import TrainConfig, learning_rate, plot_schedule


def rates(steps=107, **options):
    config = TrainConfig(steps=steps, batch_size=1, lr=0.3, **options)
    return [learning_rate(config, step) for step in range(steps)]


def follow(scheduler, optimizer, n):
    """The rates of torch's own scheduler."""
    found = []
    for _ in range(n):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.fixture
def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)


def test_warm_up_then_half_a_cosine(optimizer):
    found = rates(min_lr_ratio=0.1, warmup_steps=7)
    assert found[:7] == pytest.approx([0.3 * (i + 1) / 7 for i in range(7)])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=0.03)
    assert found[7:] == pytest.approx(follow(scheduler, optimizer, 100))
    assert found[7] == pytest.approx(0.3)
    assert 0.03 < found[-1] < 0.0301


def test_step_drops_as_torch_does(optimizer):
    found = rates(schedule="step", decay_steps=13, min_lr_ratio=0.5, warmup_steps=7)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=13, gamma=0.5)
    assert found[7:] == pytest.approx(follow(scheduler, optimizer, 100))


def test_wsd_stays_then_falls_in_a_line(optimizer):
    found = rates(schedule="wsd", decay_steps=20, warmup_steps=7, min_lr_ratio=0.1)
    assert found[7:88] == pytest.approx([0.3] * 81)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.1, total_iters=20)
    assert found[87:] == pytest.approx(follow(scheduler, optimizer, 20))


@pytest.mark.parametrize("options", [{}, {"schedule": "wsd", "decay_steps": 20}])
@pytest.mark.parametrize("warmup_steps", [0, 3, 40])
def test_the_last_step_learns_though_the_rate_falls_to_zero(options, warmup_steps):
    found = rates(min_lr_ratio=0.0, warmup_steps=warmup_steps, **options)
    assert max(found) == pytest.approx(0.3)
    assert 0 < found[-1] < found[-2]
    config = TrainConfig(steps=107, batch_size=1, lr=0.3, min_lr_ratio=0.0, warmup_steps=warmup_steps, **options)
    assert learning_rate(config, 107) == 0.0


def test_constant_stays():
    assert rates(schedule="constant", warmup_steps=3)[2:] == [0.3] * 105


def test_the_last_step_of_a_one_step_run_has_a_rate():
    assert rates(steps=1) == pytest.approx([0.3])


def test_the_plot_shows_every_rate():
    config = TrainConfig(steps=107, batch_size=1, lr=0.3, warmup_steps=7)
    [line] = plot_schedule(config).lines
    assert list(line.get_ydata()) == [learning_rate(config, step) for step in range(107)]
    plt.close("all")
