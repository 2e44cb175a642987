"""Adapters: against peft with the same weights, counts of the paper, merging, and what is refused."""

import dataclasses
import json

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel, LlamaForCausalLM

from companion.data import TokenBatches
from companion.finetune import LoRAConfig, add_lora, load_adapter, merge_and_unload, save_adapter
from companion.finetune.lora import lora_layers
from companion.models import GPT, GPTConfig, smollm2
from companion.training import TrainConfig, fit

# peft asks transformers for an attribute that has got a new name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

LLAMA = GPTConfig(
    vocab_size=37, block_size=23, n_layer=2, n_head=4, n_kv_head=2, n_embd=24, n_inner=44, positions="rotary",
    norm="rms", feed_forward="swiglu", tied=False,
)  # fmt: skip
GPT2 = GPTConfig(vocab_size=37, block_size=23, n_layer=2, n_head=3, n_embd=24, bias=True)
OURS = GPTConfig(vocab_size=37, block_size=23, n_layer=2, n_head=3, n_embd=24, positions="rotary")
TOKENS = torch.randint(37, (3, 13), generator=torch.Generator().manual_seed(0))


def theirs(kind, folder):
    return (LlamaForCausalLM if kind == "llama" else GPT2LMHeadModel).from_pretrained(folder, dtype=torch.float32)


@pytest.fixture(params=["llama", "gpt2"])
def kind(request):
    return request.param


@pytest.fixture
def base(kind, tmp_path):
    """A model of ours, and the folder of the same weights."""
    torch.manual_seed(1)
    model = GPT(LLAMA if kind == "llama" else GPT2).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    model.save_pretrained(tmp_path / "base")
    return model, tmp_path / "base"


TARGETS = {
    "llama": [["q_proj", "v_proj"], ["k_proj"], ["q_proj", "o_proj", "down_proj", "gate_proj", "up_proj", "v_proj"]],
    "gpt2": [["c_attn"], ["c_proj"], ["c_attn", "c_proj", "c_fc"]],
}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_logits_and_gradients_are_those_of_peft(kind, base, which, tmp_path):
    ours, folder = base
    config = peft.LoraConfig(
        r=3, lora_alpha=5, target_modules=TARGETS[kind][which], task_type="CAUSAL_LM", fan_in_fan_out=kind == "gpt2"
    )
    adapted = peft.get_peft_model(theirs(kind, folder), config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(tmp_path / "adapter")
    load_adapter(ours, tmp_path / "adapter")
    logits = adapted(TOKENS).logits
    torch.testing.assert_close(ours(TOKENS), logits, rtol=1e-6, atol=2e-6)

    targets = TOKENS.roll(-1, 1)
    ours.loss(TOKENS, targets).backward()
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    grads = {name: p.grad for name, p in adapted.named_parameters() if p.requires_grad}
    for layer in lora_layers(ours).values():
        for part in layer.parts:
            for side, matrices in (("lora_A", layer.lora_A), ("lora_B", layer.lora_B)):
                if part.name in matrices:
                    expected = grads.pop(f"base_model.model.{part.path}.{side}.default.weight")
                    torch.testing.assert_close(matrices[part.name].grad, expected, rtol=1e-5, atol=1e-6)
    assert grads == {}
    assert all(p.grad is None for name, p in ours.named_parameters() if "lora_" not in name)


def test_peft_reads_what_we_wrote(kind, base, tmp_path):
    model, folder = base
    add_lora(model, LoRAConfig(r=2, lora_alpha=6, target_modules=TARGETS[kind][2]))
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for matrix in layer.lora_B.values():
                matrix.normal_(std=0.3)
    save_adapter(model, tmp_path / "ours")
    read = peft.PeftModel.from_pretrained(theirs(kind, folder), tmp_path / "ours")
    torch.testing.assert_close(model(TOKENS), read(TOKENS).logits, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("config", [LLAMA, GPT2, OURS], ids=["llama", "gpt2", "ours"])
def test_a_new_adapter_changes_nothing_and_a_merged_one_rounds_only(config, tmp_path):
    torch.manual_seed(0)
    model = GPT(config).eval()
    before = model(TOKENS)
    add_lora(model, LoRAConfig(r=3))
    assert torch.equal(model(TOKENS), before)
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for matrix in layer.lora_B.values():
                matrix.normal_(std=0.1)
    adapted = model(TOKENS)
    assert (adapted - before).abs().max() > 1e-3
    torch.testing.assert_close(merge_and_unload(model)(TOKENS), adapted, rtol=1e-5, atol=1e-6)
    assert lora_layers(model) == {}
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(GPT.from_pretrained(tmp_path).eval()(TOKENS), adapted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("r", "published"), [(1, 4_718_592), (8, 37_748_736)])
def test_the_papers_counts_for_gpt3(r, published):
    config = GPTConfig(
        vocab_size=50_257, block_size=2_048, n_layer=96, n_head=96, n_embd=12_288, positions="rotary", norm="rms",
        feed_forward="swiglu",
    )  # fmt: skip
    with torch.device("meta"):
        model = add_lora(GPT(config), LoRAConfig(r=r, target_modules=["q_proj", "v_proj"]))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == published


def test_fit_moves_the_adapters_alone_and_goes_on_from_its_folder(tmp_path):
    torch.manual_seed(0)
    base = GPT(LLAMA)
    data = TokenBatches(np.arange(2_000) % 37, block_size=23)

    def tune(steps, folder):
        model = GPT(LLAMA)
        model.load_state_dict(base.state_dict())
        torch.manual_seed(1)
        add_lora(model, LoRAConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
        config = TrainConfig(
            steps=steps, batch_size=4, lr=1e-2, precision="fp32", warmup_steps=0, schedule="constant",
            checkpoint_dir=folder, checkpoint_every=5,
        )  # fmt: skip
        return model, fit(model, data, config)

    model, history = tune(20, tmp_path / "whole")
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]
    kept = {name.replace("base.", ""): p for name, p in model.named_parameters() if "lora_" not in name}
    assert all(torch.equal(kept[name], p) for name, p in base.named_parameters())
    tune(10, tmp_path / "parts")
    again, _ = tune(20, tmp_path / "parts")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_checkpoint_of_the_real_assistant_holds_a_hundredth_of_it(tmp_path):
    model, _ = smollm2()
    everything = sum(parameter.nbytes for parameter in model.parameters())
    add_lora(model, LoRAConfig())  # of rank 8, at queries and values
    moving = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    # 30 layers: 8 × (576 + 576) numbers at the queries, 8 × (576 + 192) at the values, which have fewer heads
    assert moving == 4 * 30 * 8 * (576 + 576 + 576 + 192)
    data = TokenBatches(np.arange(1_000) % 37, block_size=7)
    fit(model, data, TrainConfig(steps=1, batch_size=1, warmup_steps=0, device="cpu", checkpoint_dir=tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    written = sum(path.stat().st_size for path in files)
    assert 3 * moving < written < 3.2 * moving  # the adapters, their two moments; the rest says where the run stands
    assert written < 0.011 * everything


def test_dropout_acts_on_the_adapter_in_training_only():
    torch.manual_seed(0)
    model = add_lora(GPT(LLAMA), LoRAConfig(lora_dropout=0.5))
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for matrix in layer.lora_B.values():
                matrix.normal_()
    assert not torch.equal(model.train()(TOKENS), model(TOKENS))
    assert torch.equal(model.eval()(TOKENS), model(TOKENS))


def test_an_adapter_drops_nothing_in_a_model_that_answers(tmp_path):
    """Whether it is new or read, as in peft's issue 3753: a new layer has torch's training mode."""
    model = add_lora(GPT(LLAMA).eval(), LoRAConfig(lora_dropout=0.5))
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.lora_B["q_proj"])
    save_adapter(model, tmp_path)
    read = load_adapter(GPT(LLAMA).eval(), tmp_path)
    for each in (model, read):
        assert torch.equal(each(TOKENS), each(TOKENS))
    assert not torch.equal(model(TOKENS), model.train()(TOKENS))


def test_a_run_does_not_go_on_with_another_scaling(tmp_path):
    """It is no weight: a checkpoint fits whatever it is."""
    data = TokenBatches(np.arange(200) % 37, block_size=23)

    def tune(**options):
        torch.manual_seed(0)
        model = add_lora(GPT(LLAMA), LoRAConfig(r=2, **options))
        fit(model, data, TrainConfig(2, 2, precision="fp32", device="cpu", checkpoint_dir=tmp_path))

    tune(lora_alpha=16)
    for options in ({"lora_alpha": 64}, {"lora_alpha": 16, "lora_dropout": 0.1}):
        with pytest.raises(ValueError, match=r"^expected to go on with the run in .*, which has model/h\.0"):
            tune(**options)
    tune(lora_alpha=16)


def test_greedy_text_with_a_cache_is_that_of_the_merged_model():
    torch.manual_seed(0)
    model = add_lora(GPT(LLAMA), LoRAConfig(r=2))
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for matrix in layer.lora_B.values():
                matrix.normal_()
    written = model.generate(TOKENS[:, :5], 9, temperature=0)
    assert torch.equal(written, merge_and_unload(model).generate(TOKENS[:, :5], 9, temperature=0))


def test_what_cannot_be_is_refused_and_the_model_stays_as_it_was(tmp_path):
    with pytest.raises(ValueError, match="among down_proj, gate_proj"):
        add_lora(GPT(LLAMA), LoRAConfig(target_modules=["c_attn"]))
    model = add_lora(GPT(LLAMA))
    with pytest.raises(ValueError, match="without adapters"):
        add_lora(model)
    with pytest.raises(ValueError, match="merge_and_unload"):
        model.save_pretrained(tmp_path / "broken")
    save_adapter(model, tmp_path / "adapter")
    for plain in (GPT(LLAMA), GPT(GPT2)):
        with pytest.raises(ValueError, match="with adapters"):
            merge_and_unload(plain)
        with pytest.raises(ValueError, match="with adapters"):
            save_adapter(plain, tmp_path / "none")
    for other in (dataclasses.replace(LLAMA, n_layer=3), dataclasses.replace(LLAMA, n_kv_head=4), GPT2):
        wrong = GPT(other)
        with pytest.raises(ValueError, match="another model"):
            load_adapter(wrong, tmp_path / "adapter")
        assert lora_layers(wrong) == {}
        assert all(p.requires_grad for p in wrong.parameters())
    with pytest.raises(ValueError, match="without adapters"):
        load_adapter(model, tmp_path / "adapter")
    told = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    for name, value in (("use_dora", True), ("bias", "all"), ("peft_type", "LOHA"), ("rank_pattern", {"q": 2})):
        (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(told | {name: value}))
        with pytest.raises(ValueError, match=name):
            load_adapter(GPT(LLAMA), tmp_path / "adapter")
    weights = load_file(tmp_path / "adapter/adapter_model.safetensors")
    assert len(weights) == 8
    for changed, message in (({}, "matrices named"), (weights | {"foo": torch.zeros(1)}, "1 unknown .*'foo'")):
        (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(told))
        save_file(changed, tmp_path / "adapter/adapter_model.safetensors")
        with pytest.raises(ValueError, match=f"^expected .*{message}"):
            load_adapter(GPT(LLAMA), tmp_path / "adapter")
    del told["r"]
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="^expected r, lora_alpha in adapter_config.json, got no r$"):
        load_adapter(GPT(LLAMA), tmp_path / "adapter")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"r": 0}, "r to be"),
        ({"lora_alpha": 0}, "lora_alpha"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"target_modules": "q_proj"}, "list of names"),
        ({"target_modules": []}, "list of names"),
    ],
)
def test_a_config_that_cannot_be_is_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        LoRAConfig(**fields)
