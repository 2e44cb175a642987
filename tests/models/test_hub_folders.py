"""GPT-2 and Llama folders as transformers writes them, in all their spellings: read as transformers reads them."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from companion.models import GPT
from companion.models.hub import gpt2, llama

transformers = pytest.importorskip("transformers")
from transformers.activations import ACT2FN  # noqa: E402

GPT2 = {"vocab_size": 31, "n_positions": 13, "n_embd": 14, "n_layer": 2, "n_head": 7}
LLAMA = {
    "vocab_size": 31, "max_position_embeddings": 13, "hidden_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 3, "intermediate_size": 17,
}  # fmt: skip
EMBEDDINGS = {"gpt2": "transformer.wte.weight", "llama": "model.embed_tokens.weight"}
UNTIES = "tie_word_embeddings is true in config.json, but lm_head.weight differs"


@pytest.fixture(autouse=True)
def _quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.fixture(params=["gpt2", "llama"])
def kind(request):
    return request.param


def save(kind, folder, *, base=False, **options):
    """A random model of transformers, in its folder."""
    if kind == "gpt2":
        classes = (transformers.GPT2Config, transformers.GPT2LMHeadModel, transformers.GPT2Model)
        options = GPT2 | {"bos_token_id": 0, "eos_token_id": 0} | options
    else:
        classes = (transformers.LlamaConfig, transformers.LlamaForCausalLM, transformers.LlamaModel)
        options = LLAMA | options
    model = classes[2 if base else 1](classes[0](**options))
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)


def change_weights(folder, **new):
    """Tensors by a short name for the embeddings and the head; None takes one away."""
    path = folder / "model.safetensors"
    weights = load_file(path) | {name.replace("__", "."): tensor for name, tensor in new.items()}
    save_file({name: w for name, w in weights.items() if w is not None}, path, metadata={"format": "pt"})


def change_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def assert_equals_transformers(folder):
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model, x = GPT.from_pretrained(folder), torch.randint(31, (2, 11))
    with torch.no_grad():
        torch.testing.assert_close(model(x), theirs(x).logits, atol=1e-4, rtol=0)
    return model


def test_other_output_weights_than_the_tied_embeddings_are_used(kind, tmp_path):
    save(kind, tmp_path, tie_word_embeddings=True)
    change_weights(tmp_path, lm_head__weight=torch.randn(31, 14 if kind == "gpt2" else 12))
    with pytest.warns(UserWarning, match=UNTIES):
        model = assert_equals_transformers(tmp_path)
    assert not model.config.tied


def test_output_weights_that_are_the_embeddings_again_stay_tied(kind, tmp_path):
    save(kind, tmp_path, tie_word_embeddings=True)
    embeddings = load_file(tmp_path / "model.safetensors")[EMBEDDINGS[kind]]
    change_weights(tmp_path, lm_head__weight=embeddings.clone())
    assert assert_equals_transformers(tmp_path).config.tied


def test_output_weights_of_a_tied_model_that_are_stored_alone_are_its_embeddings(kind, tmp_path):
    save(kind, tmp_path, tie_word_embeddings=True)
    embeddings = load_file(tmp_path / "model.safetensors")[EMBEDDINGS[kind]]
    change_weights(tmp_path, lm_head__weight=embeddings, **{EMBEDDINGS[kind].replace(".", "__"): None})
    assert assert_equals_transformers(tmp_path).config.tied


def test_a_base_model_whose_output_weights_are_its_embeddings_is_read(kind, tmp_path):
    save(kind, tmp_path, base=True, tie_word_embeddings=True)
    assert_equals_transformers(tmp_path)


def test_a_base_model_without_output_weights_is_refused(kind, tmp_path):
    save(kind, tmp_path, base=True, tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"output weights \(lm_head.weight\) .*, got a base model without them"):
        GPT.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_theta": None},
        {"rope_scaling": None},
        {"rope_scaling": {"rope_type": "default"}},
        {"rope_scaling": {"type": "default"}},
        {"rope_parameters": None, "rope_theta": 7.0},
        {"rope_parameters": None, "rope_theta": 7.0, "rope_scaling": {"type": "default"}},
        {"rope_parameters": {"rope_theta": 7.0}},
        {"rope_parameters": {"rope_theta": 7.0, "rope_type": "default", "partial_rotary_factor": 1.0}},
        {"hidden_act": "swish"},
        {"num_key_value_heads": None},
        {"head_dim": None},
    ],
    ids=str,
)
def test_llama_folders_in_other_spellings(fields, tmp_path):
    save("llama", tmp_path)
    change_config(tmp_path, **fields)
    assert_equals_transformers(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"rope_parameters": {"rope_type": "default", "rope_theta": None}}, {"rope_parameters": None, "rope_theta": None}],
    ids=str,
)
def test_an_angle_base_of_null_is_the_default(fields, tmp_path):  # transformers 5 fails on it
    save("llama", tmp_path)
    expected = GPT.from_pretrained(tmp_path).config
    change_config(tmp_path, **fields)
    assert GPT.from_pretrained(tmp_path).config == expected


def same_function(name, other):
    """Whether two of transformers' activations are equal at float64."""
    x = torch.linspace(-7, 7, 2_001, dtype=torch.float64)
    try:
        return torch.allclose(ACT2FN[name](x), ACT2FN[other](x), atol=1e-9, rtol=0)
    except (ImportError, TypeError, RuntimeError):  # some need other packages, or weights
        return False


def activations(name):
    return sorted(other for other in ACT2FN if same_function(other, name))


@pytest.mark.parametrize("name", activations("gelu_new"))
def test_gpt2_activations_that_are_the_same_function(name, tmp_path):
    save("gpt2", tmp_path, activation_function=name)
    assert_equals_transformers(tmp_path)


def test_no_other_activation_is_taken_for_ours():
    assert {"gelu_new", *gpt2._EQUAL["activation_function"]} == set(activations("gelu_new"))
    assert {"silu", *llama._EQUAL["hidden_act"]} == set(activations("silu"))


@pytest.mark.parametrize("fields", [{"layer_norm_epsilon": None}, {"n_inner": None}, {"resid_pdrop": None}], ids=str)
def test_gpt2_fields_of_null_are_as_absent(fields, tmp_path):
    save("gpt2", tmp_path)
    expected = GPT.from_pretrained(tmp_path).config
    change_config(tmp_path, **fields)
    assert GPT.from_pretrained(tmp_path).config == expected


def test_dropout_that_differs_by_place_is_refused(tmp_path):
    save("gpt2", tmp_path, attn_pdrop=0.0, embd_pdrop=0.1, resid_pdrop=0.1)
    with pytest.raises(ValueError, match=r"attn_pdrop, embd_pdrop, resid_pdrop of one value .*, got 0.0, 0.1, 0.1"):
        GPT.from_pretrained(tmp_path)
    save("gpt2", tmp_path, attn_pdrop=0.1, embd_pdrop=0.1, resid_pdrop=0.1)
    assert assert_equals_transformers(tmp_path).config.dropout == 0.1
