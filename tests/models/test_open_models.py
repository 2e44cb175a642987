"""Llama 3, Mistral, Qwen2 and Qwen3 beside transformers, with random weights: logits, gradients, greedy tokens."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from companion.economics.compute import forward_flops, parameter_count
from companion.models import GPT, GPTConfig
from companion.models.gpt_layers.rotary import rotation
from companion.models.rope_scaling import RopeScaling

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 211, "max_position_embeddings": 96, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "hidden_size": 48, "intermediate_size": 53, "rms_norm_eps": 0.1,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 24,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 24}
BY_HAND = YARN | {"beta_fast": 3.0, "beta_slow": 0.5, "attention_factor": 1.3}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama 3": ("Llama", {"rope_parameters": LLAMA3}),
    "llama, linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 100.0, "factor": 3.0}}),
    "llama, yarn": ("Llama", {"rope_parameters": YARN}),
    "llama, yarn by hand": ("Llama", {"rope_parameters": BY_HAND}),
    "llama, wide heads": ("Llama", {"head_dim": 10}),
    "mistral": ("Mistral", {"sliding_window": None, "head_dim": 12}),
    "mistral, wide window": ("Mistral", {"sliding_window": 96}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2, yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen3": ("Qwen3", {"head_dim": 10}),
    "qwen3, tied": ("Qwen3", {"head_dim": 8, "tie_word_embeddings": True}),
}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def reference(name: str) -> Any:
    """A random model of transformers, with weights large enough that every part matters."""
    kind, options = MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES | options)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.0 if parameter.ndim == 2 else 1.0, std=0.2)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_logits_gradients_and_greedy_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = reference(name)
    theirs.save_pretrained(tmp_path)
    ours, tokens = GPT.from_pretrained(tmp_path).double(), torch.randint(211, (3, 96))
    theirs.double()  # rounding apart, all is the same
    logits = theirs(tokens).logits
    torch.testing.assert_close(ours(tokens), logits, atol=1e-4, rtol=0)
    logits.logsumexp(2).sum().backward()
    ours(tokens).logsumexp(2).sum().backward()
    expected = theirs.model.embed_tokens.weight.grad
    torch.testing.assert_close(ours.wte.weight.grad, expected, atol=1e-3, rtol=1e-3)
    prompt = tokens[:, :9]
    mask = torch.ones_like(prompt)  # without it, tokens of 0 would be padding
    greedy = theirs.generate(
        prompt, attention_mask=mask, max_new_tokens=60, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    assert torch.equal(ours.generate(prompt, 60, temperature=0), greedy)


@pytest.mark.parametrize("name", MODELS)
def test_angles_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = reference(name)
    theirs.save_pretrained(tmp_path)
    config, positions = GPT.from_pretrained(tmp_path).config, torch.arange(96)
    cos, sin = rotation(positions, config.head_dim, config.rope_theta, config.rope_scaling)
    expected = theirs.model.rotary_emb(torch.zeros(1), positions[None])
    half = config.head_dim // 2  # our sines carry their term's sign
    torch.testing.assert_close(cos[:, 0], expected[0][0], atol=2e-5, rtol=0)
    torch.testing.assert_close(sin[:, 0, half:], expected[1][0, :, half:], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_transformers_reads_what_we_write(name: str, tmp_path: Path) -> None:
    reference(name).save_pretrained(tmp_path / "theirs")
    ours = GPT.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    again = GPT.from_pretrained(tmp_path / "ours")
    assert again.config == ours.config
    tokens = torch.randint(211, (2, 96))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours").double()
    torch.testing.assert_close(ours.double()(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_padded_prompts_write_what_they_write_alone(name: str, tmp_path: Path) -> None:
    reference(name).save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path).double()
    prompts = torch.tensor([[1, 2, 3, 4], [0, 0, 5, 6]])
    mask = torch.tensor([[True] * 4, [False, False, True, True]])
    together = model.generate(prompts, 12, temperature=0, padding_mask=mask)
    assert torch.equal(together[1, 2:], model.generate(prompts[1:, 2:], 12, temperature=0)[0])


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_operations_are_those_of_the_formulas(name: str, tmp_path: Path) -> None:
    reference(name).save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    assert parameter_count(model.config) == sum(parameter.numel() for parameter in model.parameters())
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(torch.zeros(2, 7, dtype=torch.long))
    assert forward_flops(model.config, batch=2, time=7) == counter.get_total_flops()


def test_weights_are_read_in_a_dtype(tmp_path: Path) -> None:
    reference("qwen3").save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    exact = GPT.from_pretrained(tmp_path)
    assert torch.equal(model.wte.weight, exact.wte.weight.bfloat16())


def test_a_tied_base_model_is_read(tmp_path: Path) -> None:
    whole = reference("qwen2")
    whole.model.save_pretrained(tmp_path)
    tokens = torch.randint(211, (2, 20))
    torch.testing.assert_close(GPT.from_pretrained(tmp_path)(tokens), whole(tokens).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("mistral", {"sliding_window": 32}, "sliding_window=None"),
        ("mistral", {"num_key_value_heads": None}, "num_key_value_heads"),
        ("qwen3", {"head_dim": None}, "head_dim"),
        ("qwen2", {"use_sliding_window": True}, "use_sliding_window=False"),
        ("qwen3", {"layer_types": ["sliding_attention"] * 3}, "layer_types of full_attention"),
        ("qwen3", {"attention_bias": True}, "attention_bias=False"),
        ("llama 3", {"rope_parameters": LLAMA3 | {"rope_type": "longrope"}}, "rope_type default, linear, llama3, yarn"),
        ("llama 3", {"rope_parameters": LLAMA3 | {"low_freq_factor": None}}, "got no low_freq_factor"),
        ("llama, yarn", {"rope_parameters": YARN | {"truncate": False}}, "'truncate': False"),
        ("llama 3", {"model_type": "gemma3"}, "model_type to be one of gpt2, llama, mistral, qwen2, qwen3"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(name: str, change: dict[str, Any], said: str, tmp_path: Path) -> None:
    reference(name).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=said):
        GPT.from_pretrained(tmp_path)


def test_an_early_mistral_has_a_window(tmp_path: Path) -> None:
    config = transformers.MistralConfig(**SIZES | {"max_position_embeddings": 8_192})
    transformers.MistralForCausalLM(config).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    del raw["sliding_window"]  # which stands for 4,096
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match="got 4096 with a context of 8192"):
        GPT.from_pretrained(tmp_path)


def test_our_own_mixtures_are_read_again(tmp_path: Path) -> None:
    scaling = RopeScaling("linear", 2.0)
    config = GPTConfig(
        11, 16, n_layer=1, n_head=2, n_embd=8, head_size=6, qk_norm=True, positions="rotary", rope_scaling=scaling
    )
    GPT(config).save_pretrained(tmp_path)
    assert GPT.from_pretrained(tmp_path).config == config
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    assert raw.pop("model_type") == "companion_gpt"
    later = {"head_size": None, "qkv_bias": False, "qk_norm": False, "rope_scaling": None}
    GPT(GPTConfig(**raw | later)).save_pretrained(tmp_path)  # as before there were these options
    old = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in old.items() if name not in later}))
    assert GPT.from_pretrained(tmp_path).config.head_dim == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "dynamic", "factor": 2}, "kind"),
        ({"kind": "yarn", "factor": 0.5}, "factor of at least 1"),
        ({"kind": "llama3", "factor": 2, "original": 0}, "original"),
        ({"kind": "llama3", "factor": 2, "low": 4, "high": 4}, "low above 0 and below high"),
    ],
)
def test_bad_scalings_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RopeScaling(**fields)


def test_scaled_angles_need_rotary_positions() -> None:
    with pytest.raises(ValueError, match="rope_scaling with positions='rotary'"):
        GPTConfig(rope_scaling=RopeScaling("linear", 2.0))
