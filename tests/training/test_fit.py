import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from companion.data import TensorBatches, TokenBatches
from companion.models import GPT, GPTConfig
from companion.training import TrainConfig, fit, learning_rate, validate
from companion.training.distributed import World
from companion.training.run import _progress_bar, validation_rows


class Line(nn.Module):
    """Least squares: what AdamW does to it can be written down."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5], [-1.0], [2.0]]))
        self.bias = nn.Parameter(torch.zeros(1))

    def loss(self, x, y):
        return ((x @ self.weight + self.bias - y) ** 2).mean()

    def n_targets(self, x, y):
        return y.numel()


def line_data(n=41):
    x = torch.randn(n, 3)
    y = x @ torch.tensor([[1.0], [2.0], [-3.0]]) + 4
    return TensorBatches((x[7:], y[7:]), (x[:7], y[:7]))


def tiny_gpt(**options):
    torch.manual_seed(5)
    return GPT(GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=2, n_embd=16, **options))


def token_data():
    tokens = np.random.default_rng(0).integers(0, 41, 1_009).astype(np.uint16)
    return TokenBatches(tokens, tokens[:101], block_size=11)


def config(**options):
    return TrainConfig(**{"steps": 23, "batch_size": 5, "lr": 1e-2, "precision": "fp32", "device": "cpu", **options})


def learned(history):
    """The rows without what differs from run to run."""
    measured = {"seconds", "targets_per_second", "memory"}
    return [{name: value for name, value in row.items() if name not in measured} for row in history.rows]


def checkpoints(folder):
    return sorted(path.name for path in folder.glob("step-*"))


def same_bits(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_follows_adamw_step_by_step():
    """The loop against torch's plain AdamW, clipping and schedule, written out."""
    data, run = line_data(), config(warmup_steps=3, weight_decay=0.2, grad_clip=0.5, betas=(0.8, 0.9))
    model, reference = Line(), Line()
    history = fit(model, data, run)
    optimizer = torch.optim.AdamW(
        [{"params": [reference.weight], "weight_decay": 0.2}, {"params": [reference.bias], "weight_decay": 0.0}],
        betas=(0.8, 0.9),
    )
    for step in range(23):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(run, step)
        loss = reference.loss(*data.batch(step, 5, seed=0))
        assert history.rows[step]["loss"] == pytest.approx(loss.item(), rel=1e-5)
        loss.backward()
        norm = torch.cat([p.grad.flatten() for p in reference.parameters()]).norm()
        assert history.rows[step]["grad_norm"] == pytest.approx(norm.item(), rel=1e-5)
        for p in reference.parameters():
            p.grad *= min(1.0, 0.5 / (norm.item() + 1e-6))
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(model.weight, reference.weight)
    torch.testing.assert_close(model.bias, reference.bias)


class Deep(nn.Module):
    """Three layers; the middle one is hidden."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(7, 7), nn.Linear(7, 5), nn.Linear(5, 5))
        for end in (self.layers[0], self.layers[2]):
            nn.init.orthogonal_(end.weight)  # so that the gradient between them is well conditioned

    def loss(self, x, y):
        return F.mse_loss(self.layers(x), y)


def test_muon_moves_hidden_layers_and_adamw_the_rest():
    """Muon's step against its definition: momentum made orthogonal, by an exact singular value decomposition."""
    torch.manual_seed(1)
    model = Deep()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    x, y = torch.randn(11, 7), torch.randn(11, 5)
    gradient = torch.autograd.grad(model.loss(x, y), model.layers[1].weight)[0]
    fit(model, TensorBatches((x, y)), config(steps=1, batch_size=11, optimizer="muon", lr=0.1, weight_decay=0.0))
    moved = {name: (before[name] - parameter.detach()) / 0.1 for name, parameter in model.named_parameters()}
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    step = moved.pop("layers.1.weight") / (0.2 * 7**0.5)
    singular = torch.linalg.svdvals(step)
    assert singular.min() > 0.6  # five Newton-Schulz steps bring singular values near 1, not to it
    assert singular.max() < 1.3
    assert ((step * (u @ v)).sum() / step.norm() / (u @ v).norm()) > 0.97
    for sign in moved.values():  # AdamW's first step is the learning rate times the sign
        torch.testing.assert_close(sign.abs(), torch.ones_like(sign), atol=1e-3, rtol=0)


def test_learns():
    history = fit(Line(), line_data(), config(steps=400, lr=0.1, weight_decay=0.0, eval_every=100))
    assert history.frame["loss"].iloc[0] > 10
    assert list(history.validation.index) == [100, 200, 300, 400]
    assert history.validation.iloc[-1] < 1e-3
    assert str(history).startswith("step 400: loss 0.0")


def test_validation_weighs_each_target_once():
    data, model = token_data(), tiny_gpt(dropout=0.5)
    model.train()
    whole = validate(model, data, 1_000)
    assert model.training
    assert validate(model, data, 2) == pytest.approx(whole, rel=1e-6)
    assert validate(model, TokenBatches(data.train, block_size=11), 2) is None


@pytest.mark.parametrize(("options", "optimizer"), [({}, "adamw"), ({"dropout": 0.25}, "adamw"), ({}, "muon")])
@pytest.mark.parametrize("stop_after", [1, 10, 22])
def test_a_resumed_run_has_the_bits_of_the_run_never_stopped(tmp_path, options, optimizer, stop_after):
    whole, common = tiny_gpt(**options), {"warmup_steps": 2, "eval_every": 5, "optimizer": optimizer}
    expected = fit(whole, token_data(), config(checkpoint_dir=tmp_path / "whole", **common))

    class Stops(TokenBatches):
        def batch(self, step, batch_size, *, seed):
            if step == stop_after:
                raise OSError("the power went")
            return super().batch(step, batch_size, seed=seed)

    halves = config(checkpoint_dir=tmp_path / "halves", checkpoint_every=1, **common)
    data = token_data()
    with pytest.raises(OSError, match="power"):
        fit(tiny_gpt(**options), Stops(data.train, data.validation_tokens, block_size=11), halves)
    torch.manual_seed(99)  # whatever happened in between
    resumed = tiny_gpt(**options)
    history = fit(resumed, data, halves)
    assert same_bits(whole, resumed)
    assert learned(history) == learned(expected)
    assert history.frame["seconds"].is_monotonic_increasing


def test_a_finished_run_is_read_not_repeated(tmp_path):
    run = config(checkpoint_dir=tmp_path)
    first = tiny_gpt()
    history = fit(first, token_data(), run)
    again = tiny_gpt()
    assert fit(again, token_data(), run).rows == history.rows
    assert same_bits(first, again)


def test_ctrl_c_ends_the_step_and_keeps_a_checkpoint(tmp_path, interruptible):
    class Interrupted(TokenBatches):
        def batch(self, step, batch_size, *, seed):
            if step == 10:
                os.kill(os.getpid(), signal.SIGINT)
            return super().batch(step, batch_size, seed=seed)

    data, run = token_data(), config(checkpoint_dir=tmp_path)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after step 11"):
        fit(tiny_gpt(), Interrupted(data.train, data.validation_tokens, block_size=11), run)
    assert signal.getsignal(signal.SIGINT) is handler
    assert checkpoints(tmp_path) == ["step-00000011"]
    resumed, whole = tiny_gpt(), tiny_gpt()
    fit(resumed, data, run)
    fit(whole, data, config())
    assert same_bits(resumed, whole)


def test_a_watch_sees_each_row_and_may_end_the_run(tmp_path):
    seen = []
    whole, run = Line(), config(checkpoint_dir=tmp_path, checkpoint_every=5)
    history = fit(whole, line_data(), config(), watch=seen.append)
    assert seen == history.rows

    def stop(row):
        if row["step"] == 10:
            raise EOFError(f"enough at loss {row['loss']}")

    torch.manual_seed(0)
    with pytest.raises(EOFError, match=f"enough at loss {seen[9]['loss']}"):
        fit(Line(), line_data(), run, watch=stop)
    assert checkpoints(tmp_path) == ["step-00000005", "step-00000010"]
    torch.manual_seed(0)
    fit(resumed := Line(), line_data(), run)
    assert same_bits(whole, resumed)


def test_only_the_newest_checkpoints_stay(tmp_path):
    fit(Line(), line_data(), config(checkpoint_dir=tmp_path, checkpoint_every=5, keep_checkpoints=2))
    # Validation is after the last step only, so that the best is the newest.
    assert checkpoints(tmp_path) == ["step-00000020", "step-00000023"]
    assert not [p for p in tmp_path.rglob("*") if p.suffix in {".pt", ".bin", ".pkl"}]


def test_another_configuration_or_model_is_refused(tmp_path):
    fit(Line(), line_data(), config(checkpoint_dir=tmp_path))
    with pytest.raises(ValueError, match=r"which has lr=0.01, got lr=0.5: use the same, or another"):
        fit(untouched := Line(), line_data(), config(checkpoint_dir=tmp_path, lr=0.5))
    assert same_bits(untouched, Line())
    with pytest.raises(ValueError, match="which has model=Line, data.train=.* got model=GPT, "):
        fit(tiny_gpt(), token_data(), config(checkpoint_dir=tmp_path))


def test_a_loss_that_is_not_finite_stops_before_it_spoils_the_weights():
    class Diverges(Line):
        calls = 0

        def loss(self, x, y):
            self.calls += 1
            return super().loss(x, y) * (float("nan") if self.calls == 4 else 1.0)

    model = Diverges()
    with pytest.raises(ValueError, match="expected a finite loss and gradient, got loss nan"):
        fit(model, line_data(), config())
    assert model.weight.isfinite().all()


def test_a_model_without_a_loss_is_refused():
    with pytest.raises(TypeError, match=r"method loss\(\*batch\), got Linear"):
        fit(nn.Linear(3, 1), line_data(), config())


def test_bf16_learns_too():
    model = tiny_gpt()
    counting = TokenBatches(np.arange(1_009) % 41, block_size=11)
    history = fit(model, counting, config(precision="bf16", steps=120))
    assert next(model.parameters()).dtype is torch.float32
    assert history.frame["loss"].iloc[0] > 3.5
    assert history.frame["loss"].iloc[-1] < 1.0


def test_nothing_is_printed_where_nobody_looks(capfd, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    fit(Line(), line_data(), config())
    assert capfd.readouterr() == ("", "")


def test_the_first_process_alone_has_a_bar_where_someone_looks(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    with _progress_bar(2, 5, World()) as bar:
        assert (bar.disable, bar.n, bar.total) == (False, 2, 5)
    assert _progress_bar(2, 5, World(rank=1, size=2)).disable


def test_validation_takes_what_all_processes_hold_at_once_but_no_more_than_a_batch():
    assert validation_rows(config(batch_size=6), None, World()) == 6
    assert validation_rows(config(batch_size=6), 2, World(size=2)) == 4
    assert validation_rows(config(batch_size=6), 4, World(size=2)) == 6


def test_dropout_is_at_work_in_any_model_and_follows_from_the_seed():
    def trained(before, **options):
        model = tiny_gpt(**options).eval()  # as from_pretrained gives it
        torch.manual_seed(before)
        fit(model, token_data(), config(steps=3))
        return model

    first = trained(1, dropout=0.25)
    assert same_bits(first, trained(2, dropout=0.25))
    assert not same_bits(first, trained(1))
