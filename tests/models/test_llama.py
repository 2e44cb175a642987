"""GPT with a Llama's options, beside transformers' Llama and in its folder."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from companion.models import GPT, GPTConfig
from companion.models.hub.llama import from_tensors

transformers = pytest.importorskip("transformers")

CONFIG = GPTConfig(
    vocab_size=211, block_size=37, n_layer=3, n_head=15, n_kv_head=5, n_embd=90, n_inner=53, positions="rotary",
    rope_theta=101.0, norm="rms", norm_eps=0.1, feed_forward="swiglu", tied=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def reference(request):
    """A random Llama of transformers."""
    config = transformers.LlamaConfig(
        vocab_size=211, max_position_embeddings=37, num_hidden_layers=3, num_attention_heads=15, num_key_value_heads=5,
        hidden_size=90, intermediate_size=53, rope_theta=101.0, rms_norm_eps=0.1, tie_word_embeddings=request.param,
    )  # fmt: skip
    return random_weights(transformers.LlamaForCausalLM(config).eval())


@pytest.fixture
def folder(tmp_path):
    """One that we wrote."""
    random_weights(GPT(CONFIG)).save_pretrained(tmp_path)
    return tmp_path


def random_weights(model):
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def tokens(batch=3, time=37):
    return torch.randint(211, (batch, time))


def test_equals_transformers(reference, tmp_path):
    reference.save_pretrained(tmp_path)
    model, x = GPT.from_pretrained(tmp_path), tokens()
    expected = reference(x, labels=x)
    torch.testing.assert_close(model(x), expected.logits, atol=1e-4, rtol=0)
    loss = model.loss(x, torch.cat([x[:, 1:], torch.full((3, 1), -100)], dim=1))
    torch.testing.assert_close(loss, expected.loss, atol=1e-5, rtol=0)
    loss.backward()
    expected.loss.backward()
    theirs = from_tensors({name: p.grad for name, p in reference.named_parameters()}, model.config)
    assert theirs.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name], atol=1e-5, rtol=1e-4, msg=name)
    greedy = reference.generate(x[:, :7], max_new_tokens=30, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert torch.equal(model.generate(x[:, :7], 30, temperature=0), greedy)


def test_reads_a_folder_of_several_files(reference, tmp_path):
    reference.save_pretrained(tmp_path / "whole")
    reference.save_pretrained(tmp_path / "parts", max_shard_size="90KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 2
    whole, parts = GPT.from_pretrained(tmp_path / "whole"), GPT.from_pretrained(tmp_path / "parts")
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, parts.get_parameter(name)), name


@pytest.mark.parametrize("options", [{}, {"n_kv_head": None, "n_inner": None, "tied": True, "dropout": 0.5}])
def test_transformers_reads_what_we_write(options, tmp_path):
    model, x = random_weights(GPT(dataclasses.replace(CONFIG, **options)).eval()), tokens()
    model.save_pretrained(tmp_path)
    theirs, info = transformers.LlamaForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with torch.no_grad():
        torch.testing.assert_close(theirs(x).logits, model(x), atol=1e-4, rtol=0)


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_base_of_the_angles_is_read_where_either_transformers_puts_it(folder):
    assert GPT.from_pretrained(folder).config == CONFIG
    change(folder, rope_parameters={"rope_type": "default", "rope_theta": 7.0})
    assert GPT.from_pretrained(folder).config.rope_theta == 7.0


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"attention_dropout": 0.1},
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "factor": 8.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        {"sliding_window": 16},
        {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {"quantization_config": {"bits": 4}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_we_do_not_have_is_refused(folder, fields):
    change(folder, **fields)
    with pytest.raises(ValueError, match=f"expected {next(iter(fields))}.* which this model does not have"):
        GPT.from_pretrained(folder)


def test_a_config_that_lacks_a_size_is_refused(folder):
    (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 211}')
    with pytest.raises(ValueError, match="got no max_position_embeddings, num_hidden_layers"):
        GPT.from_pretrained(folder)


def test_weights_that_lack_a_tensor_are_refused(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.self_attn.k_proj.weight"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"missing \['h.1.attn.c_attn.weight'\] and unknown \['h.1.self_attn.q_proj"):
        GPT.from_pretrained(folder)


def test_buffers_of_old_files_are_passed_over(folder):
    path, expected = folder / "model.safetensors", GPT.from_pretrained(folder).state_dict()
    save_file(load_file(path) | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(3)}, path)
    found = GPT.from_pretrained(folder).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ('{"weight_map": {"w": "part-1.safetensors"}}', FileNotFoundError, "part-1.safetensors, got no such file"),
        ('{"weight_map": {"w": "../part.safetensors"}}', ValueError, "weight_map in .* to name files of that folder"),
        ("{}", ValueError, "weight_map in .*, got None"),
        ("[]", ValueError, "expected a JSON object"),
        ("{", ValueError, "expected JSON"),
    ],
)
def test_a_bad_index_is_refused(folder, index, error, message):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(error, match=message):
        GPT.from_pretrained(folder)
