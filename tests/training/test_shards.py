"""Work that is cut over real processes, held to torch.distributed and to one process that does it all."""

import os
import signal
import time

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.nn import functional as F

from companion.training import (
    ShardedAdamW,
    ShardedPair,
    pipeline_bubble,
    pipeline_schedule,
    pipeline_step,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
    run_processes,
)


def reduced(shape, dtype):
    """Our sum, torch's, and the bytes that we sent."""
    torch.manual_seed(distributed.get_rank())
    ours = torch.randint(-1_000, 1_000, shape).to(dtype)
    theirs = ours.clone()
    distributed.all_reduce(theirs)
    return ring_all_reduce(ours), ours, theirs


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_ring_finds_the_sum_of_all_reduce_and_sends_two_parts_in_n(size):
    """Whole numbers, whose sums are exact in any order."""
    found = run_processes(reduced, size, (size * 7, 11), torch.float32)
    for sent, ours, theirs in found:
        assert torch.equal(ours, theirs)
        assert sent == 2 * (size - 1) * 7 * 11 * 4


def test_chunks_may_be_of_different_lengths_and_empty():
    for shape in ((13,), (2,)):
        found = run_processes(reduced, 4, shape, torch.float64)
        assert all(torch.equal(ours, theirs) for _, ours, theirs in found)
        assert sum(sent for sent, _, _ in found) == 2 * 3 * shape[0] * 8  # all chunks travel, over all processes


def halves():
    torch.manual_seed(distributed.get_rank())
    values = torch.randn(3, 5)
    scattered, gathered = torch.empty(5), torch.empty(3, 5)
    distributed.reduce_scatter_tensor(scattered, values.flatten())
    chunks = list(values.clone().unbind())
    ring_reduce_scatter(chunks)
    own = chunks[distributed.get_rank()].clone()
    distributed.all_gather_into_tensor(gathered.view(-1), own)
    ring_all_gather(chunks)
    return own, scattered, torch.stack(chunks), gathered


def test_the_halves_are_reduce_scatter_and_all_gather():
    for own, scattered, chunks, gathered in run_processes(halves, 3):
        torch.testing.assert_close(own, scattered)
        assert torch.equal(chunks, gathered)


def random_sum():
    torch.manual_seed(distributed.get_rank())
    values = torch.randn(1_009)
    ring_all_reduce(values)
    return values


def test_sums_are_equal_to_the_last_bit_in_all_processes():
    first, *others = run_processes(random_sum, 4)
    assert all(torch.equal(first, other) for other in others)


def with_gaps():
    return ring_all_reduce(torch.zeros(4, 6)[:, ::2])


def test_a_view_with_gaps_is_refused():
    with pytest.raises(RuntimeError, match="ValueError: expected contiguous values"):
        run_processes(with_gaps, 2)


def pair_gradients(bias):
    """The output and gradients of a pair of layers that is cut, and of the whole one; and the bytes reduced."""
    torch.manual_seed(3)
    first, second = nn.Linear(5, 12, bias=bias).double(), nn.Linear(12, 7, bias=bias).double()
    x = torch.randn(2, 11, 5, dtype=torch.float64)
    own_x, whole_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    pair = ShardedPair(first, second, F.gelu)
    whole, ours = second(F.gelu(first(whole_x))), pair(own_x)
    for y in (whole, ours):
        y.square().sum().backward()
    own = slice(distributed.get_rank() * 4, (distributed.get_rank() + 1) * 4)
    expected = [whole, whole_x.grad, first.weight.grad[own], second.weight.grad[:, own]]
    found = [ours, own_x.grad, pair.columns.grad, pair.rows.grad]
    if bias:
        expected += [first.bias.grad[own], second.bias.grad]
        found += [pair.column_bias.grad, pair.bias.grad]
    return [t.detach() for t in found], [t.detach() for t in expected], pair.bytes_reduced


@pytest.mark.parametrize("bias", [True, False])
def test_a_pair_of_layers_that_is_cut_is_the_whole_one(bias):
    for found, expected, reduced_bytes in run_processes(pair_gradients, 3, bias):
        for ours, whole in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, whole)
        assert reduced_bytes == 2 * 11 * (7 + 5) * 8  # the output forward, the input's gradient backward


def uneven_pair():
    ShardedPair(nn.Linear(5, 7), nn.Linear(7, 2), F.relu)


def test_a_width_that_processes_do_not_divide_is_refused():
    with pytest.raises(RuntimeError, match="expected an inner width that 2 processes divide, got 7 and 7"):
        run_processes(uneven_pair, 2)


def piped():
    """Losses and gradients of our pipeline, of torch's, and of one process that has all layers; and bytes."""
    from torch.distributed.pipelining import PipelineStage, ScheduleGPipe  # slow to import, for each process

    rank, size = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(5)
    layers = [nn.Sequential(nn.Linear(7, 7), nn.Tanh()) for _ in range(size)]
    x, target = torch.randn(12, 7), torch.randn(12, 7)
    loss = F.mse_loss(nn.Sequential(*layers)(x), target)
    loss.backward()
    stage = layers[rank]
    expected = [p.grad.clone() for p in stage.parameters()]
    stage.zero_grad()
    targets = target.split(3)
    found, sent = pipeline_step(stage, x.split(3), lambda y, i: F.mse_loss(y, targets[i]), arrives=(3, 7))
    ours = [p.grad.clone() for p in stage.parameters()]
    stage.zero_grad()
    theirs = ScheduleGPipe(PipelineStage(stage, rank, size, torch.device("cpu")), 4, loss_fn=F.mse_loss)
    losses: list = []
    theirs.step(*([x] if rank == 0 else []), **({"target": target, "losses": losses} if rank == size - 1 else {}))
    torchs = [p.grad.clone() for p in stage.parameters()]
    return (found, loss.item(), float(sum(losses) / 4)), (ours, expected, torchs), sent


@pytest.mark.parametrize("size", [2, 3])
def test_a_pipeline_finds_the_gradients_of_the_whole_batch_as_torchs_does(size):
    for rank, ((found, whole, torchs_loss), (ours, expected, torchs), sent) in enumerate(run_processes(piped, size)):
        if rank == size - 1:
            assert found == pytest.approx(whole, rel=1e-6)
            assert found == pytest.approx(torchs_loss, rel=1e-6)
        for mine, alone, theirs in zip(ours, expected, torchs, strict=True):
            torch.testing.assert_close(mine, alone)
            torch.testing.assert_close(mine, theirs)
        assert sent == 12 * 7 * 4 * ((rank < size - 1) + (rank > 0))  # activations right, gradients left


@pytest.mark.parametrize(("stages", "micro_batches"), [(1, 1), (2, 1), (4, 8), (3, 11)])
def test_the_bubble_is_what_the_schedule_leaves_free(stages, micro_batches):
    schedule = pipeline_schedule(stages, micro_batches)
    for stage, row in enumerate(schedule):
        assert row[row >= 0].tolist() == list(range(micro_batches))
        assert np.flatnonzero(row == 0)[0] == stage
    assert pipeline_bubble(stages, micro_batches) == pytest.approx((stages - 1) / (micro_batches + stages - 1))
    with pytest.raises(ValueError, match="stages"):
        pipeline_schedule(0, 3)


OPTIONS = {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}


def adamw():
    """Parameters after five steps: ours, plain AdamW's, those of torch's sharded one; bytes of state and sent."""
    from torch.distributed.optim import ZeroRedundancyOptimizer  # its package warns of torch.jit as it is imported

    found = []
    kinds = (ShardedAdamW, torch.optim.AdamW, lambda p, **o: ZeroRedundancyOptimizer(p, torch.optim.AdamW, **o))
    for kind in kinds:
        torch.manual_seed(7)
        parameters = [nn.Parameter(torch.randn(shape)) for shape in ((5, 7), (11,), (2, 3))]
        optimizer = kind(parameters, **OPTIONS)
        for _ in range(5):
            for parameter in parameters:
                # Multiples of 1/64: their sum over processes is exact in any order, as the ring's differs.
                total = torch.randint(-64, 64, (distributed.get_world_size(), *parameter.shape)) / 64
                own = kind is ShardedAdamW
                parameter.grad = total[distributed.get_rank()] if own else total.sum(0) / len(total)
            optimizer.step()
        found.append([p.detach().clone() for p in parameters])
        if kind is ShardedAdamW:
            memory = optimizer.state_bytes(), optimizer.bytes_sent
    return *found, memory


@pytest.mark.parametrize("size", [2, 4])
def test_sharded_adamw_is_adamw_bit_for_bit(size):
    numbers, states = 35 + 11 + 6, []
    for ours, plain, torchs, (state, sent) in run_processes(adamw, size):
        for mine, alone, theirs in zip(ours, plain, torchs, strict=True):
            assert torch.equal(mine, alone)
            assert torch.equal(mine, theirs)
        states.append(state)
        assert sent == 5 * 2 * (size - 1) * numbers // size * 4
    assert sum(states) == 2 * 4 * numbers  # together one AdamW's two means
    assert max(states) == 2 * 4 * numbers // size


def no_gradient():
    ShardedAdamW([nn.Parameter(torch.ones(3))], lr=0.1).step()


def two_dtypes():
    ShardedAdamW([nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3).double())], lr=0.1)


def test_what_sharded_adamw_cannot_do_is_refused():
    with pytest.raises(RuntimeError, match="expected a gradient of every parameter"):
        run_processes(no_gradient, 2)
    with pytest.raises(RuntimeError, match="expected parameters of one dtype"):
        run_processes(two_dtypes, 2)


def one_dies():
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()


def one_sleeps():
    if distributed.get_rank() == 1:
        time.sleep(60)


def test_processes_that_die_or_wait_forever_end_the_run():
    with pytest.raises(RuntimeError, match=r"got none of process \d"):
        run_processes(one_dies, 2)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="expected results within 3 s, got [01] of 2"):  # 0 on a busy machine
        run_processes(one_sleeps, 2, seconds=3)
    assert time.monotonic() - started < 30
    with pytest.raises(ValueError, match="size"):
        run_processes(one_sleeps, 0)


def one_after_another():
    time.sleep(4 * distributed.get_rank())


def test_the_time_is_for_all_processes_together():
    with pytest.raises(TimeoutError, match="expected results within 6 s"):
        run_processes(one_after_another, 4, seconds=6)


def test_functions_that_cannot_be_imported_run_too():
    def here(offset):
        return distributed.get_rank() + offset

    assert run_processes(here, 2, 5) == [5, 6]


def pids():
    return os.getpid()


def test_each_process_has_a_memory_of_its_own():
    assert len({os.getpid(), *run_processes(pids, 3)}) == 4
