import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from companion.models import GPT, GPTConfig
from companion.models.gpt_layers import attention
from companion.models.gpt_layers.loss import token_loss

# Distinct primes where the model allows it, so that a swapped axis fails.
CONFIG = GPTConfig(vocab_size=211, block_size=37, n_layer=3, n_head=5, n_embd=35, bias=True)


@pytest.fixture
def model():
    return random_weights(GPT(CONFIG).eval())


def random_weights(model):
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def tokens(batch=2, time=31):
    return torch.randint(CONFIG.vocab_size, (batch, time))


@pytest.fixture(params=[{}, {"n_inner": 53, "layer_norm_epsilon": 0.1, "tie_word_embeddings": False}])
def reference_folder(request, tmp_path, recwarn):
    """A random GPT-2 as transformers writes it."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = transformers.GPT2Config(
        vocab_size=211, n_positions=37, n_embd=35, n_layer=3, n_head=5, bos_token_id=0, eos_token_id=0, **request.param
    )
    reference = random_weights(transformers.GPT2LMHeadModel(config).eval())
    reference.save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2", reference


def test_equals_transformers(reference_folder):
    folder, reference = reference_folder
    model, x = GPT.from_pretrained(folder), tokens(3, 37)
    with torch.no_grad():
        torch.testing.assert_close(model(x), reference(x).logits, atol=1e-4, rtol=0)
        shifted = torch.cat([x[:, 1:], torch.full((3, 1), -100)], dim=1)
        torch.testing.assert_close(model.loss(x, shifted), reference(x, labels=x).loss, atol=1e-5, rtol=0)
    greedy = reference.generate(x[:, :7], max_new_tokens=30, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert torch.equal(model.generate(x[:, :7], 30, temperature=0), greedy)


def test_gradients_equal_those_of_transformers(reference_folder):
    folder, reference = reference_folder
    model, x, y = GPT.from_pretrained(folder), tokens(3, 37), tokens(3, 37)
    model.loss(x, y).backward()
    F.cross_entropy(reference(x).logits.flatten(0, 1), y.flatten()).backward()
    theirs = {name.removeprefix("transformer."): p.grad for name, p in reference.named_parameters()}
    for name, parameter in model.named_parameters():
        expected = theirs[name].T if name.startswith("h.") and parameter.ndim == 2 else theirs[name]
        torch.testing.assert_close(parameter.grad, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"n_inner": 53, "norm_eps": 0.1, "tied": False}])
def test_transformers_reads_what_we_write(options, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    model = random_weights(GPT(dataclasses.replace(CONFIG, **options)).eval())
    model.save_pretrained(tmp_path)
    theirs, x = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval(), tokens()
    with torch.no_grad():
        torch.testing.assert_close(theirs(x).logits, model(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_saving_and_reading_changes_no_bit(bias, tmp_path):
    model = GPT(
        GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=3, n_embd=15, dropout=0.125, bias=bias)
    ).eval()
    model.save_pretrained(tmp_path)
    again, x = GPT.from_pretrained(tmp_path), torch.randint(41, (2, 11))
    assert again.config == model.config
    assert torch.equal(again(x), model(x))


def test_no_position_sees_a_later_one(model, device):
    model, x = model.to(device), tokens().to(device)
    changed = x.clone()
    changed[:, 17:] = (changed[:, 17:] + 1) % CONFIG.vocab_size
    torch.testing.assert_close(model(x)[:, :17], model(changed)[:, :17])
    assert not torch.allclose(model(x)[:, 17], model(changed)[:, 17])


def test_generating_leaves_the_model_as_it_was(model):
    model.train()
    out = model.generate(tokens(), 3, seed=0)
    assert model.training
    model.loss(out, out).backward()  # no inference tensor gets out


def test_initial_loss_is_that_of_the_uniform_distribution():
    loss = GPT(CONFIG).loss(tokens(7, 37), tokens(7, 37)).item()
    assert abs(loss - torch.tensor(211.0).log().item()) < 0.1


def test_loss_ignores_marked_targets(model):
    x, y = tokens(), tokens()
    marked = y.clone()
    marked[:, ::2] = -100
    kept = marked != -100
    expected = F.cross_entropy(model(x)[kept], y[kept])
    torch.testing.assert_close(model.loss(x, marked), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_learns_one_batch_by_heart(dtype, device):
    model = GPT(GPTConfig(vocab_size=41, block_size=23, n_layer=2, n_head=2, n_embd=32)).to(device)
    x, y = torch.randint(41, (2, 5, 23), device=device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
            loss = model.loss(x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1


def test_in_bfloat16_on_a_cpu_attention_by_the_formula_is_that_of_the_fused_kernel(monkeypatch):
    q, k, v = (torch.randn(2, 5, 31, 7, dtype=torch.float64) for _ in range(3))
    fused = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(attention.causal_attention(q, k, v), fused)

    torch.manual_seed(0)
    model, x, y, found = GPT(CONFIG), tokens(), tokens(), []
    for short in (attention.SHORT, 30):  # by the formula, then by the kernel: there are 31 positions
        monkeypatch.setattr(attention, "SHORT", short)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(x, y)
        found.append((loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))))
    assert any(not torch.equal(a, b) for a, b in zip(*found, strict=True))
    for by_formula, by_kernel in zip(*found, strict=True):
        assert (by_formula - by_kernel).norm() < 0.02 * by_kernel.norm()


def test_the_loss_of_bfloat16_logits_is_that_of_the_same_in_float32():
    logits, targets = torch.randn(601, 211).bfloat16().requires_grad_(), torch.randint(211, (601,))
    targets[::7] = -100
    whole = logits.detach().float().requires_grad_()
    expected = F.cross_entropy(whole, targets)
    expected.backward()
    found = token_loss(logits, targets)
    found.backward()
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-6)
    assert torch.equal(logits.grad, whole.grad.bfloat16())


def test_dropout_acts_in_training_only():
    model, x = (
        GPT(GPTConfig(vocab_size=41, block_size=23, n_layer=2, n_head=2, n_embd=32, dropout=0.5)),
        tokens(2, 7) % 41,
    )
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_embd=10 and n_head=3: take n_embd=9 or 12"):
        GPTConfig(n_embd=10, n_head=3)
    with pytest.raises(ValueError, match="n_layer to be a positive integer, got 0"):
        GPTConfig(n_layer=0)
    with pytest.raises(ValueError, match=r"dropout in \[0, 1\), got 1"):
        GPTConfig(dropout=1.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.tensor([[0, 211]]), "expected tokens from 0 to 210, got 0 to 211; vocab_size is 211"),
        (torch.tensor([[-1, 5]]), "got -1 to 5"),
        (torch.zeros(2, 38, dtype=torch.long), "at most block_size=37 tokens, got 38"),
        (torch.zeros(5, dtype=torch.long), r"int64 tokens \[batch, time\]"),
        (torch.ones(2, 3, dtype=torch.uint8), "int64 tokens .* got torch.uint8"),
        (torch.ones(2, 3, dtype=torch.bool), "int64 tokens .* got torch.bool"),
        (torch.zeros(0, 5, dtype=torch.long), "at least one token"),
        (torch.zeros(2, 5), "got torch.float32"),
    ],
)
def test_bad_tokens_are_refused(model, bad, message):
    with pytest.raises(ValueError, match=message):
        model(bad)
    with pytest.raises(ValueError, match=message):
        model.generate(bad, 1)


def test_bad_targets_are_refused(model):
    x = tokens()
    with pytest.raises(ValueError, match=r"targets of shape \(2, 31\), as tokens, got \(2, 30\)"):
        model.loss(x, x[:, 1:])
    with pytest.raises(ValueError, match="one of targets to count, got only -100"):
        model.loss(x, torch.full_like(x, -100))
    with pytest.raises(ValueError, match="expected targets from 0"):
        model.loss(x, torch.full_like(x, 211))


def test_a_folder_that_lacks_a_file_is_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json, got no such file"):
        GPT.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="pytorch_model.bin is a pickle, which is never read"):
        GPT.from_pretrained(tmp_path)


class Bomb:
    """A pickle that does harm where it is read."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was read",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_unread(model, tmp_path, zipped):
    model.save_pretrained(tmp_path)
    torch.save({"w": Bomb()}, tmp_path / "model.safetensors", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="expected a safetensors file, got a pickle"):
        GPT.from_pretrained(tmp_path)


def test_damaged_weights_are_refused(model, tmp_path):
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="got a damaged one"):
        GPT.from_pretrained(tmp_path)
    save_file(
        {name: w for name, w in weights.items() if name != "transformer.wpe.weight"}
        | {"more": weights["transformer.wpe.weight"]},
        path,
    )
    with pytest.raises(ValueError, match=r"missing \['wpe.weight'\] and unknown \['more'\]"):
        GPT.from_pretrained(tmp_path)
    save_file(weights | {"transformer.wpe.weight": torch.ones(7, 35)}, path)
    with pytest.raises(ValueError, match=r"wpe.weight of shape \(37, 35\), got \(7, 35\)"):
        GPT.from_pretrained(tmp_path)


def test_a_config_that_lacks_a_size_is_refused(model, tmp_path):
    model.save_pretrained(tmp_path)
    for text, message in (
        ('{"model_type": "gpt2", "n_head": 5}', "got no vocab_size, n_positions"),
        ("[]", "got \\[\\]"),
    ):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            GPT.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("model_type", "bert"), ("activation_function", "relu"), ("scale_attn_by_inverse_layer_idx", True)],
)
def test_a_config_of_another_model_is_refused(model, tmp_path, field, value):
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(ValueError, match=f"expected {field}"):
        GPT.from_pretrained(tmp_path)
