"""Generation beside naive decoding: no cache, one row at a time, the window as the docstring of generate has it."""

import dataclasses
import itertools

import pytest
import torch

from companion.models import GPT, GPTConfig

GPT2 = GPTConfig(vocab_size=211, block_size=11, n_layer=2, n_head=3, n_embd=30, bias=True)
LLAMA = GPTConfig(
    vocab_size=211, block_size=11, n_layer=2, n_head=6, n_kv_head=3, n_embd=48, n_inner=53, positions="rotary",
    rope_theta=101.0, norm="rms", feed_forward="swiglu", tied=False,
)  # fmt: skip
CONFIGS = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "gpt2-mqa": dataclasses.replace(GPT2, n_kv_head=1, block_size=8),
    "llama-mha": dataclasses.replace(LLAMA, n_kv_head=6, block_size=8),
}


def make(config):
    model = GPT(config).eval()
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(params=CONFIGS)
def model(request):
    return make(CONFIGS[request.param])


def naive(model, row, new, stop=()):
    """One row, greedy, by whole forward passes."""
    out, seen = list(row), list(row)
    for _ in range(new):
        if len(seen) > model.config.block_size:
            seen = seen[-((model.config.block_size + 1) // 2) :]
        token = model(torch.tensor([seen]))[0, -1].argmax().item()
        out.append(token)
        seen.append(token)
        if token in stop:
            return out + [token] * (len(row) + new - len(out))
    return out


def prompts(model, *lengths):
    """Rows of tokens of these lengths, as lists, and as one padded batch with its mask."""
    rows = [torch.randint(model.config.vocab_size, (length,)).tolist() for length in lengths]
    longest = max(lengths)
    batch = torch.tensor([[5] * (longest - len(row)) + row for row in rows])
    return rows, batch, torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("length", [1, 2, 7])
def test_equals_naive_decoding_up_to_the_context_and_past_it(model, length):
    rows, batch, _ = prompts(model, length, length)
    out = model.generate(batch, 40, temperature=0)
    assert out.dtype is torch.int64
    assert out.tolist() == [naive(model, row, 40) for row in rows]


@pytest.mark.parametrize("block", [1, 2, 3])
def test_tiny_contexts(block):
    model = make(dataclasses.replace(LLAMA, block_size=block))
    rows, batch, _ = prompts(model, block, block)
    assert model.generate(batch, 9, temperature=0).tolist() == [naive(model, row, 9) for row in rows]


@pytest.mark.parametrize("lengths", [(1, 7, 4), (7, 1), (2, 3), (8, 5, 1), (3, 3)])
def test_prompts_of_different_length_are_written_on_as_each_alone(model, lengths):
    rows, batch, mask = prompts(model, *lengths)
    out = model.generate(batch, 40, temperature=0, padding_mask=mask)  # far past the context of 8 or 11
    for row, prompt, found in zip(rows, batch, out.tolist(), strict=True):
        assert found[: len(prompt)] == prompt.tolist()
        assert found[len(prompt) - len(row) :] == naive(model, row, 40)


def test_padding_that_all_rows_share_changes_nothing(model):
    rows, batch, mask = prompts(model, 2, 3)
    wider = torch.nn.functional.pad(batch, (4, 0), value=9)
    out = model.generate(wider, 20, temperature=0, padding_mask=torch.nn.functional.pad(mask, (4, 0)))
    assert [found[7 - len(row) :] for row, found in zip(rows, out.tolist(), strict=True)] == [
        naive(model, row, 20) for row in rows
    ]


def test_the_logits_of_a_padded_row_are_those_it_has_alone(model):
    rows, batch, mask = prompts(model, 2, 7, 5)
    with torch.no_grad():
        found = model._head(model._hidden(batch, None, (~mask).sum(dim=1)))
        for row, of_row in zip(rows, found, strict=True):
            torch.testing.assert_close(of_row[-len(row) :], model(torch.tensor([row]))[0], atol=1e-4, rtol=1e-5)
    assert found.isfinite().all()


def test_a_row_stops_at_a_stop_token_and_repeats_it_until_all_have_stopped(model):
    rows, batch, _ = prompts(model, 4, 4, 4)
    free = [naive(model, row, 40) for row in rows]
    stop = [free[0][9], free[1][15], free[2][12]]
    expected = [naive(model, row, 40, stop) for row in rows]
    # Each row ends with its stop token, repeated; the longest needed is where the last of them begins.
    needed = max(next(i for i, token in enumerate(row[4:], start=4) if token in stop) for row in expected) + 1
    out = model.generate(batch, 40, temperature=0, stop_tokens=stop)
    assert out.tolist() == [row[:needed] for row in expected]
    assert 4 < needed < 44


def test_stop_tokens_in_the_prompt_do_not_stop(model):
    _, batch, _ = prompts(model, 4, 4)
    free = model.generate(batch, 5, temperature=0)
    prompt_only = sorted(set(batch.flatten().tolist()) - set(free[:, 4:].flatten().tolist()))
    assert torch.equal(model.generate(batch, 5, temperature=0, stop_tokens=prompt_only), free)


def test_a_row_that_stops_does_not_change_what_the_others_draw(model):
    _, batch, _ = prompts(model, 4, 4, 4)
    free = model.generate(batch, 30, seed=3)
    stop = free[0, 8].item()
    stopped = model.generate(batch, 30, seed=3, stop_tokens=[stop])
    for row, cut in zip(free.tolist(), stopped.tolist(), strict=True):
        end = row.index(stop, 4) + 1 if stop in row[4:] else len(row)
        assert cut[: min(end, len(cut))] == row[: min(end, len(cut))]


@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 7, "top_k": 5}, {"seed": 7, "top_p": 0.8}])
def test_the_stream_is_what_is_generated(model, options):
    _, batch, mask = prompts(model, 3, 5)
    whole = model.generate(batch, 30, padding_mask=mask, **options)
    stream = list(model.generate_stream(batch, 30, padding_mask=mask, **options))
    assert torch.equal(torch.stack(stream, dim=1), whole[:, 5:])
    stop = [whole[0, 9].item(), whole[1, 11].item()]
    cut = model.generate(batch, 30, padding_mask=mask, stop_tokens=stop, **options)
    stream = list(model.generate_stream(batch, 30, padding_mask=mask, stop_tokens=stop, **options))
    assert torch.equal(torch.stack(stream, dim=1), cut[:, 5:])


def test_the_stream_can_be_left_and_gives_ordinary_tensors(model):
    model.train()
    _, batch, _ = prompts(model, 3)
    stream = model.generate_stream(batch, 30, seed=0)
    first = next(stream)
    assert not torch.is_inference_mode_enabled()
    stream.close()
    assert model.training
    model.loss(first[None], first[None]).backward()  # no inference tensor gets out
    assert len(list(itertools.islice(model.generate_stream(batch, 30), 4))) == 4
    assert list(model.generate_stream(batch, 0)) == []


def test_no_new_tokens_give_the_prompt(model):
    _, batch, _ = prompts(model, 3, 3)
    assert torch.equal(model.generate(batch, 0, stop_tokens=[1]), batch)


def test_past_the_context_a_token_costs_about_two_positions(model, monkeypatch):
    seen, forward = [], model.h[0].forward
    monkeypatch.setattr(model.h[0], "forward", lambda x, *rest: seen.append(x.shape[1]) or forward(x, *rest))
    model.generate(prompts(model, 1)[1], 1_000, temperature=0)
    assert len(seen) == 1_000
    assert sum(seen) < 2.2 * 1_000


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(2, 4, dtype=torch.bool), r"padding_mask of shape \(2, 3\), as tokens, got torch.bool of shape"),
        (torch.ones(2, 3), "boolean padding_mask .* got torch.float32"),
        (torch.tensor([[True, True, True], [True, True, False]]), "padding on the left only"),
        (torch.tensor([[True, False, True], [True, True, True]]), "padding on the left only"),
        (torch.tensor([[True, True, True], [False, False, False]]), "a token in every row"),
    ],
)
def test_bad_padding_masks_are_refused(model, mask, message):
    for method in (model.generate, model.generate_stream):
        with pytest.raises(ValueError, match=message):
            method(torch.ones(2, 3, dtype=torch.long), 5, padding_mask=mask)


@pytest.mark.parametrize(
    ("stop", "error", "message"),
    [
        ([211], ValueError, r"stop_tokens from 0 to vocab_size - 1 = 210, got \[211\]"),
        ([-1], ValueError, r"got \[-1\]"),
        (7, TypeError, "stop_tokens as a list of integers, got 7"),
        ("</s>", TypeError, "stop_tokens as a list of integers, got '</s>'"),
        ([1.5], TypeError, "stop_tokens as a list of integers"),
    ],
)
def test_bad_stop_tokens_are_refused(model, stop, error, message):
    for method in (model.generate, model.generate_stream):
        with pytest.raises(error, match=message):
            method(torch.ones(2, 3, dtype=torch.long), 5, stop_tokens=stop)


@pytest.mark.parametrize("temperature", [0, 1])
def test_weights_that_are_no_numbers_are_refused(model, temperature):
    model.ln_f.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match="got NaN or infinity: are the model's weights finite"):
        model.generate(torch.ones(2, 3, dtype=torch.long), 5, temperature=temperature)


def test_a_negative_number_of_tokens_is_refused(model):
    with pytest.raises(ValueError, match="max_new_tokens of at least 0, got -1"):
        model.generate(torch.ones(2, 3, dtype=torch.long), -1)
    with pytest.raises(ValueError, match=r"max_new_tokens of at least 0, got 1\.5"):
        model.generate(torch.ones(2, 3, dtype=torch.long), 1.5)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1}, {"temperature": float("nan")}, {"top_k": 0}, {"top_k": 2.5}, {"top_p": 0}, {"top_p": 1.5},
        {"seed": 2**64}, {"seed": -(2**63) - 1}, {"seed": 1.5},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_before_the_first_token(model, options):
    for method in (model.generate, model.generate_stream):
        with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
            method(torch.ones(2, 3, dtype=torch.long), 0, **options)


def test_the_stream_refuses_weights_that_are_no_numbers_with_its_first_token(model):
    model.ln_f.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match="got NaN or infinity"):
        next(model.generate_stream(torch.ones(2, 3, dtype=torch.long), 5))


@pytest.mark.parametrize("stop", [None, [3]])
def test_tokens_keep_their_dtype(model, stop):
    batch = torch.ones(2, 3, dtype=torch.int32)
    assert model.generate(batch, 5, stop_tokens=stop).dtype is torch.int32
    assert next(model.generate_stream(batch, 5, stop_tokens=stop)).dtype is torch.int32


@pytest.mark.parametrize("options", [{"temperature": 0}, {}, {"temperature": 0.5, "top_k": 3, "top_p": 0.5}])
def test_no_step_waits_for_the_device(model, options):
    """Reading a value of the meta device, which has none, raises; on a GPU it waits for all that was asked before."""
    prompt = torch.ones(2, 3, dtype=torch.long, device="meta")
    writer = model.to("meta")._writer(prompt, 20, **options)
    with torch.inference_mode():
        for _ in range(20):
            writer.step()
    assert writer.written.shape == (2, 23)
    with pytest.raises(RuntimeError, match="meta"):
        writer.check()
