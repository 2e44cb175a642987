"""GGUF files beside transformers' reading of them."""

import importlib.util

import numpy as np
import pytest
import torch
from gguf_files import TYPES, quantized, write

from companion.models import GPT

transformers = pytest.importorskip("transformers")
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint  # noqa: E402

LLAMA = transformers.LlamaConfig(
    vocab_size=211, max_position_embeddings=37, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2,
    hidden_size=256, intermediate_size=256, rope_theta=101.0, rms_norm_eps=0.1, tie_word_embeddings=False,
)  # fmt: skip
METADATA = {
    "llama.vocab_size": 211, "llama.context_length": 37, "llama.block_count": 2, "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2, "llama.embedding_length": 256, "llama.feed_forward_length": 256,
    "llama.rope.freq_base": 101.0, "llama.attention.layer_norm_rms_epsilon": 0.1, "llama.rope.dimension_count": 32,
}  # fmt: skip
BLOCK = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
REST = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


@pytest.fixture(autouse=True)
def _quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def random_weights(model):
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def permuted(weight, heads):
    """A head's halves as neighbors, as llama.cpp's converter stores queries and keys."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def llama_tensors(model, kind="F32"):
    """A Llama's weights as llama.cpp's converter writes them."""
    tensors = {}
    for name, parameter in model.named_parameters():
        module, weight = name.removesuffix(".weight"), parameter.detach().numpy()
        if module.startswith("model.layers."):
            layer, _, module = module.removeprefix("model.layers.").partition(".")
            theirs = f"blk.{layer}.{BLOCK[module]}"
        else:
            theirs = REST[module]
        heads = {"self_attn.q_proj": 8, "self_attn.k_proj": 2}.get(module)
        tensors[f"{theirs}.weight"] = quantized(weight if heads is None else permuted(weight, heads), kind)
    return tensors


def by_transformers(path, model):
    """``model`` with the file's weights, as transformers reads them."""
    model.load_state_dict(load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"])
    return model


@pytest.fixture
def model():
    return random_weights(transformers.LlamaForCausalLM(LLAMA))


@pytest.fixture
def path(tmp_path, model):
    return write(tmp_path / "llama.gguf", "llama", METADATA, llama_tensors(model))


def logits(model, x):
    with torch.no_grad():
        found = model(x)
    return getattr(found, "logits", found)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_tensor_is_read_as_by_transformers(kind, model, tmp_path):
    path = write(tmp_path / "llama.gguf", "llama", METADATA, llama_tensors(model, kind))
    x, ours = torch.randint(211, (3, 37)), GPT.from_pretrained(path)
    assert not ours.training
    theirs = by_transformers(path, transformers.LlamaForCausalLM(LLAMA).eval())
    torch.testing.assert_close(logits(ours, x), logits(theirs, x), atol=1e-4, rtol=1e-4)
    assert logits(ours, x).std() > 0.1


def test_a_llama_comes_back_as_it_was(model, path):
    x, ours = torch.randint(211, (3, 37)), GPT.from_pretrained(path)
    torch.testing.assert_close(logits(ours, x), logits(model, x), atol=1e-4, rtol=0)
    config = ours.config
    assert (config.block_size, config.rope_theta, config.kv_heads, config.tied) == (37, 101.0, 2, False)


def test_weights_are_copies_that_may_be_trained(path):
    before = path.read_bytes()
    model = GPT.from_pretrained(path)
    model.loss(torch.randint(211, (2, 5)), torch.randint(211, (2, 5))).backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert path.read_bytes() == before


def test_without_output_weights_they_are_the_embeddings(model, tmp_path):
    tensors = llama_tensors(model)
    del tensors["output.weight"]
    ours = GPT.from_pretrained(write(tmp_path / "tied.gguf", "llama", METADATA, tensors))
    assert ours.config.tied
    model.lm_head.weight = model.model.embed_tokens.weight
    x = torch.randint(211, (3, 37))
    torch.testing.assert_close(logits(ours, x), logits(model, x), atol=1e-4, rtol=0)


def test_a_gpt2_comes_back_as_it_was(tmp_path):
    config = transformers.GPT2Config(
        vocab_size=211, n_positions=37, n_embd=96, n_layer=2, n_head=3, layer_norm_epsilon=0.1, n_inner=53
    )
    model, tensors = random_weights(transformers.GPT2LMHeadModel(config)), {}
    names = {
        "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
        "ln_1": "attn_norm", "ln_2": "ffn_norm", "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm",
    }  # fmt: skip
    for name, parameter in model.transformer.named_parameters():
        module, _, leaf = name.removeprefix("h.").rpartition(".")
        layer, _, inner = module.partition(".")
        theirs = f"blk.{layer}.{names[inner]}" if inner else names[module]
        weight = parameter.detach().numpy()
        tensors[f"{theirs}.{leaf}"] = (weight.T if inner and weight.ndim == 2 else weight), "F32"
    metadata = {
        "gpt2.context_length": 37, "gpt2.block_count": 2, "gpt2.attention.head_count": 3, "gpt2.embedding_length": 96,
        "gpt2.feed_forward_length": 53, "gpt2.attention.layer_norm_epsilon": 0.1,
    }  # fmt: skip
    ours = GPT.from_pretrained(write(tmp_path / "gpt2.gguf", "gpt2", metadata, tensors))
    x = torch.randint(211, (3, 37))
    torch.testing.assert_close(logits(ours, x), logits(model, x), atol=1e-4, rtol=0)


def test_a_folder_of_one_file_will_do(path):
    x = torch.randint(211, (1, 7))
    assert torch.equal(logits(GPT.from_pretrained(path.parent), x), logits(GPT.from_pretrained(str(path)), x))
    path.with_name("other.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="one GGUF file in .*, got llama.gguf, other.gguf: give the path of one"):
        GPT.from_pretrained(path.parent)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"llama.expert_count": 8}, "expected llama.expert_count=0 in .*, got 8"),
        ({"llama.rope.scaling.type": "linear"}, "expected llama.rope.scaling.type='none' in .*, got 'linear'"),
        ({"llama.rope.dimension_count": 16}, "expected llama.rope.dimension_count=32 in .*, got 16"),
        ({"llama.attention.key_length": 16}, "expected llama.attention.key_length=32 in .*, got 16"),
        ({"llama.attention.head_count": 4}, "expected blk.0.attn_q.weight of 4 · 64 rows|dimension_count=64"),
        ({"llama.attention.head_count_kv": [2, 1]}, "n_kv_head to be a positive integer, got \\[2, 1\\]"),
        ({"llama.block_count": 1}, "unknown \\['h.1.attn"),
        ({"split.count": 3}, "expected split.count=1 in .*, got 3"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_we_do_not_have_is_refused(metadata, message, model, tmp_path):
    path = write(tmp_path / "other.gguf", "llama", METADATA | metadata, llama_tensors(model))
    with pytest.raises(ValueError, match=message):
        GPT.from_pretrained(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("rope_freqs.weight", np.ones(16, np.float32), "unknown \\['rope_freqs.weight'\\]"),
        ("blk.1.attn_q.bias", np.ones(256, np.float32), "unknown \\['h.1.self_attn.q_proj.bias'\\]"),
        ("token_embd.weight", None, "expected the tensor token_embd.weight in .*, got none"),
        ("blk.1.attn_k.weight", None, "missing \\['h.1.attn.c_attn.weight'\\]"),
        ("blk.1.attn_k.weight", np.ones((96, 256), np.float32), "expected blk.1.attn_k.weight of 2 · 32 rows"),
    ],
)
def test_other_tensors_are_refused(name, data, message, model, tmp_path):
    tensors = llama_tensors(model)
    tensors.pop(name, None)
    tensors |= {} if data is None else {name: (data, "F32")}
    path = write(tmp_path / "other.gguf", "llama", METADATA, tensors)
    with pytest.raises(ValueError, match=message):
        GPT.from_pretrained(path)


def test_a_type_that_is_not_dequantized_is_refused(model, tmp_path):
    tensors = llama_tensors(model) | {"output_norm.weight": (np.ones(256, np.int32), "I32")}
    path = write(tmp_path / "other.gguf", "llama", METADATA, tensors)
    with pytest.raises(ValueError, match="that gguf dequantizes, got I32 of output_norm.weight"):
        GPT.from_pretrained(path)


def test_another_architecture_is_refused(model, tmp_path):
    path = write(tmp_path / "other.gguf", "qwen2", {}, llama_tensors(model))
    with pytest.raises(ValueError, match="expected architecture 'llama' or 'gpt2' in .*, got 'qwen2'"):
        GPT.from_pretrained(path)


def test_metadata_that_are_missing_are_named(model, tmp_path):
    metadata = {key: value for key, value in METADATA.items() if key != "llama.block_count"}
    path = write(tmp_path / "other.gguf", "llama", metadata, llama_tensors(model))
    with pytest.raises(ValueError, match="expected llama.block_count in the metadata of .*, got none"):
        GPT.from_pretrained(path)


def test_a_file_cut_anywhere_is_refused(path, tmp_path):
    whole, cut = path.read_bytes(), tmp_path / "cut" / "model.gguf"
    cut.parent.mkdir()
    sizes = [*range(4, 1_700, 53), *range(4_000, len(whole), len(whole) // 7), len(whole) - 1]
    for size in sizes:
        cut.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="expected .*GGUF file in"):
            GPT.from_pretrained(cut)


def test_a_changed_type_is_refused(path):
    whole = path.read_bytes()
    place = whole.index(b"output_norm.weight") + len(b"output_norm.weight") + 4 + 8
    path.write_bytes(whole[:place] + b"\x63" + whole[place + 1 :])
    with pytest.raises(ValueError, match="damaged or newer one .*99.* is not a valid"):
        GPT.from_pretrained(path)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="expected a GGUF file or a folder in .*, got another file"):
        GPT.from_pretrained(path)
    with pytest.raises(FileNotFoundError, match="expected a GGUF file in .*none.gguf, got no such file"):
        GPT.from_pretrained(tmp_path / "none.gguf")


def test_without_the_package_the_extra_is_named(path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name))
    with pytest.raises(ImportError, match=r"large-models-companion\[pretrained\]"):
        GPT.from_pretrained(path)
