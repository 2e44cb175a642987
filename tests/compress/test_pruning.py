"""Pruning: against torch's own, against all patterns tried one by one, against heads silenced by hooks."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from companion.compress import magnitude_mask, mask_2_4, prune_2_4, prune_heads, prune_magnitude
from companion.models import GPT, GPTConfig, without_heads

CONFIG = GPTConfig(vocab_size=37, block_size=23, n_layer=3, n_head=4, n_kv_head=2, n_embd=24, bias=True)


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 8, bias=False))


@pytest.mark.parametrize("sparsity", [0, 0.3, 0.5, 0.9])
def test_the_smallest_weights_go_as_in_torch(sparsity):
    ours, theirs = mlp(), mlp()
    masks = prune_magnitude(ours, sparsity)
    for path, layer in theirs.named_children():
        if isinstance(layer, nn.Linear):
            prune.l1_unstructured(layer, "weight", amount=sparsity)
            assert torch.equal(ours.get_submodule(path).weight, layer.weight)
            assert torch.equal(
                masks[path], layer.weight_mask.bool() if sparsity else torch.ones_like(layer.weight) == 1
            )
    assert torch.equal(ours[0].bias, mlp()[0].bias)


def test_the_smallest_of_all_layers_together_go_as_in_torch():
    ours, theirs = mlp(), mlp()
    with torch.no_grad():
        ours[2].weight.mul_(3)
        theirs[2].weight.mul_(3)
    prune_magnitude(ours, 0.6, across_layers=True)
    pairs = [(theirs[0], "weight"), (theirs[2], "weight")]
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.6)
    assert torch.equal(ours[0].weight, theirs[0].weight)
    assert torch.equal(ours[2].weight, theirs[2].weight)
    assert (ours[0].weight == 0).float().mean() > 0.7 > 0.4 > (ours[2].weight == 0).float().mean()


def test_equal_weights_are_told_apart_by_their_place():
    assert magnitude_mask(torch.ones(2, 5), 0.3).sum() == 7
    assert mask_2_4(torch.ones(3, 8)).view(3, 2, 4).sum(dim=-1).tolist() == [[2, 2]] * 3


def test_two_of_four_keep_as_much_as_any_pattern():
    weight = torch.randn(7, 20)
    kept = (weight * mask_2_4(weight)).abs().view(-1, 4).sum(dim=1)
    patterns = itertools.combinations(range(4), 2)
    best = torch.stack([weight.view(-1, 4)[:, list(pattern)].abs().sum(dim=1) for pattern in patterns]).amax(dim=0)
    torch.testing.assert_close(kept, best)


def test_a_gpt_is_pruned_in_its_blocks_but_where_it_is_told_not_to():
    model = GPT(CONFIG)
    before = copy.deepcopy(model)
    masks = prune_2_4(model, but=("h.0.", "h.2.mlp"))
    assert set(masks) == {f"h.1.{name}" for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")} | {
        "h.2.attn.c_attn",
        "h.2.attn.c_proj",
    }
    for path, layer in before.named_modules():
        if isinstance(layer, nn.Linear):
            found = model.get_submodule(path).weight
            assert torch.equal(found, layer.weight * masks.get(path, 1))
    assert torch.equal(model.wte.weight, before.wte.weight)


def test_heads_pruned_are_heads_silenced():
    model = GPT(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
        tokens, heads = torch.randint(37, (2, 11)), [(0, 1), (0, 3), (2, 0)]
        plain = model(tokens)
        with without_heads(model, heads):
            silenced = model(tokens)
        torch.testing.assert_close(prune_heads(model, heads)(tokens), silenced, rtol=1e-5, atol=1e-5)
    assert (silenced - plain).abs().max() > 0.01


@pytest.mark.parametrize("sparsity", [-0.1, 1, float("nan"), "half"])
def test_a_sparsity_that_cannot_be_is_refused(sparsity):
    with pytest.raises(ValueError, match="sparsity from 0"):
        prune_magnitude(mlp(), sparsity)


def test_what_cannot_be_is_refused_and_the_model_stays_as_it_was():
    with pytest.raises(ValueError, match="multiple of 4"):
        prune_2_4(nn.Linear(6, 4))
    with pytest.raises(ValueError, match="linear layers"):
        prune_magnitude(nn.Embedding(3, 4), 0.5)
    model = GPT(CONFIG)
    before = model.h[0].attn.c_proj.weight.clone()
    with pytest.raises(ValueError, match="below"):
        prune_heads(model, [(0, 1), (3, 0)])
    assert torch.equal(model.h[0].attn.c_proj.weight, before)
