"""Scores of answers: beside transformers' logits one by one, lm-evaluation-harness' own numbers, and closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import LlamaForCausalLM

from companion.data import ChoiceQuestion, OpenQuestion, train_tokenizer
from companion.models import GPT, ChatTokenizer, GPTConfig, smollm2
from companion.stats import compare_paired, mean_ci, metric_ci
from companion.training import (
    Continuation,
    bits_per_byte,
    choose_answers,
    encode_continuation,
    log_likelihoods,
    perplexity_ci,
    text_losses,
    write_answers,
)

TEMPLATE = """\
{%- for m in messages %}{{ m.role[0] }}:{{ m.content }}<|endoftext|>
{% endfor %}{% if add_generation_prompt %}a:{% endif %}"""
TEXTS = ["the cat sat on the mat", "the cat  ate;\nthe dog sat", " a mat", "ate", "dogs and cats and mats " * 3]
QUESTIONS = [
    ChoiceQuestion("the cat sat on the", ["mat", "dog", "very long dogs and cats"], 0, "cats"),
    ChoiceQuestion("the dog ", ["ate the mat", "sat"], 1, "dogs"),
    ChoiceQuestion("", ["cats", "the"], 1, "none"),
    ChoiceQuestion("dogs and", ["cats", "mats", "dogs", "ate"], 2, "dogs"),
]


@pytest.fixture(scope="module")
def tokenizer():
    return ChatTokenizer(train_tokenizer(TEXTS, 273), TEMPLATE, {"eos_token": "<|endoftext|>"})


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    model = GPT(
        GPTConfig(
            vocab_size=273, block_size=61, n_layer=2, n_head=2, n_embd=16, n_inner=44, positions="rotary", norm="rms",
            feed_forward="swiglu", tied=False,
        )
    )  # fmt: skip
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def theirs(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    model.save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def one_by_one(theirs, context, tokens):
    with torch.no_grad():
        log_p = theirs(torch.tensor([[*context, *tokens]])).logits[0].double().log_softmax(-1)
    return sum(log_p[len(context) - 1 + i, token].item() for i, token in enumerate(tokens))


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_log_likelihoods_are_those_of_transformers_one_by_one(model, theirs, batch_size):
    rng = np.random.default_rng(0)
    pairs = [
        Continuation(rng.integers(273, size=a), rng.integers(273, size=b)) for a, b in rng.integers(1, 29, (11, 2))
    ]
    found = log_likelihoods(model, pairs, batch_size=batch_size)
    expected = [one_by_one(theirs, pair.context.tolist(), pair.tokens.tolist()) for pair in pairs]
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("chat", [False, True])
def test_choices_are_those_of_the_formulas(model, theirs, tokenizer, chat):
    rows = choose_answers(model, tokenizer, QUESTIONS, chat=chat, batch_size=3)
    for row, each in zip(rows.itertuples(), QUESTIONS, strict=True):
        scores = []
        for choice in each.choices:
            if chat:
                context = [*tokenizer.encode(f"u:{each.question}"), 0, *tokenizer.encode("\na:")]
                tokens = tokenizer.encode(choice)
            else:
                context = tokenizer.encode(each.question.rstrip()) or [0]
                both = tokenizer.encode(f"{each.question} {choice}")
                tokens = both[len(context) if each.question else 0 :]
                assert tokenizer.decode(tokens) == f"{each.question[len(each.question.rstrip()) :]} {choice}"
            scores.append(one_by_one(theirs, context, tokens))
        np.testing.assert_allclose(row.log_likelihoods, scores, rtol=2e-5)
        assert row.by_sum == max(range(len(scores)), key=scores.__getitem__)
        assert row.by_length == max(range(len(scores)), key=lambda i: scores[i] / len(each.choices[i]))
        assert (row.answer, row.group, row.n_choices) == (each.answer, each.group, len(each.choices))


def test_rows_go_into_statistics_as_they_are(model, tokenizer):
    rows = choose_answers(model, tokenizer, QUESTIONS * 6)
    right = (rows["answer"] == rows["by_sum"]).mean()
    assert metric_ci(rows["answer"], rows["by_sum"]).estimate == pytest.approx(right)
    assert metric_ci(rows["answer"], rows["by_sum"], clusters=rows["group"]).estimate == pytest.approx(right)
    other = rows["answer"].where(rows["group"] == "dogs", rows["by_sum"])  # of another model
    difference = compare_paired(rows["answer"], other, rows["by_sum"], clusters=rows["group"]).difference
    assert difference.estimate == pytest.approx((rows["answer"] == other).mean() - right)
    written = write_answers(model, tokenizer, [OpenQuestion("the", ["cat"])] * 3, max_new_tokens=2)
    assert mean_ci(written["f1"], bounds=(0, 1)).estimate == written["f1"].mean()


def test_length_decides_where_all_tokens_are_alike(tokenizer):
    model = GPT(GPTConfig(vocab_size=273, block_size=32, n_layer=1, n_head=1, n_embd=4)).eval()
    torch.nn.init.zeros_(model.wte.weight)  # uniform over tokens: log p = -(number of tokens) log 273
    questions = [ChoiceQuestion("x", ["qqqq", "z"], 0), ChoiceQuestion("x", ["qqqq", "zz"], 1)]
    rows = choose_answers(model, tokenizer, questions)
    np.testing.assert_allclose(rows["log_likelihoods"][0], [-5 * math.log(273), -2 * math.log(273)], rtol=1e-5)
    assert rows["by_sum"].tolist() == [1, 1]
    assert rows["by_length"].tolist() == [0, 0]  # 5/4 of a token a character against 2 and 3/2
    losses = text_losses(model, tokenizer, ["qz zq", "z"])
    assert (losses["nats"] / losses["tokens"]).tolist() == pytest.approx([math.log(273)] * 2)


def test_answers_in_a_batch_are_those_alone_and_scored(model, tokenizer):
    questions = [OpenQuestion(text, ["the cat"], "a") for text in ("the cat sat", "a", "dogs and cats and mats and")]
    for chat in (True, False):
        rows = write_answers(model, tokenizer, questions, chat=chat, max_new_tokens=7, batch_size=2)
        for row, each in zip(rows.itertuples(), questions, strict=True):
            said = [{"role": "user", "content": each.question}]
            prompt = (
                tokenizer.apply_chat_template(said, add_generation_prompt=True)
                if chat
                else tokenizer.encode(each.question)
            )
            alone = model.generate(torch.tensor([prompt]), 7, temperature=0, stop_tokens=[0])[0, len(prompt) :]
            text = tokenizer.decode(alone, skip_special_tokens=True).strip()
            assert row.prediction == (text if chat else text.partition("\n")[0].strip())
    alike = GPT(model.config).eval()
    torch.nn.init.zeros_(alike.lm_head.weight)  # greedy takes the first token, which ends the text
    rows = write_answers(alike, tokenizer, questions)
    assert rows["prediction"].tolist() == [""] * 3
    assert rows["exact"].tolist() == rows["f1"].tolist() == [0, 0, 0]


def test_perplexities_are_those_of_transformers_losses(model, theirs, tokenizer):
    rows = text_losses(model, tokenizer, TEXTS)
    expected = [-one_by_one(theirs, [0], tokenizer.encode(text)) for text in TEXTS]
    np.testing.assert_allclose(rows["nats"], expected, rtol=2e-5)
    assert rows["words"].tolist() == [6, 6, 3, 1, 16]  # as lm-evaluation-harness' re.split counts them
    assert rows["bytes"].tolist() == [len(text.encode()) for text in TEXTS]
    assert rows["tokens"].tolist() == [len(tokenizer.encode(text)) for text in TEXTS]
    for per in ("tokens", "words", "bytes"):
        found = perplexity_ci(rows, per=per, seed=0)
        assert found.estimate == pytest.approx(math.exp(sum(expected) / rows[per].sum()), rel=1e-4)
        assert found.low < found.estimate < found.high
    bits = bits_per_byte(rows["nats"].to_numpy(), rows["bytes"].to_numpy(), np.arange(5), seed=0)
    by_bytes = perplexity_ci(rows, per="bytes", seed=0)
    np.testing.assert_allclose(
        [math.log2(value) for value in (by_bytes.estimate, by_bytes.low, by_bytes.high)],
        [bits.estimate, bits.low, bits.high],
    )


def test_a_token_across_the_boundary_leaves_something_to_score():
    """lm-evaluation-harness' issue 1297: of 'hello wor' + 'ld' its rule leaves nothing, for ' world' is one token."""
    inner = train_tokenizer(["hello world, the world is a word"] * 20, 270)
    tokenizer = ChatTokenizer(inner, None, {"eos_token": "<|endoftext|>"})
    assert len(tokenizer.encode(" world")) == 1
    pair = encode_continuation(tokenizer, "hello wor", "ld")
    assert (tokenizer.decode(pair.context), tokenizer.decode(pair.tokens)) == ("hello wor", "ld")
    whole = encode_continuation(tokenizer, "hello ", "world")
    assert (tokenizer.decode(whole.context), tokenizer.decode(whole.tokens)) == ("hello", " world")


def test_what_cannot_be_scored_is_refused(model, tokenizer):
    with pytest.raises(ValueError, match="at least one question, got none"):
        choose_answers(model, tokenizer, [])
    with pytest.raises(ValueError, match="at least one continuation, got none"):
        log_likelihoods(model, [])
    with pytest.raises(ValueError, match="at least one token each, got 1 and 0"):
        encode_continuation(tokenizer, "a", "")
    with pytest.raises(ValueError, match="at most block_size=61 tokens"):
        choose_answers(model, tokenizer, [ChoiceQuestion("qz" * 40, ["a", "b"], 0)])
    without = ChatTokenizer(tokenizer.tokenizer, None, tokenizer.special)
    with pytest.raises(ValueError, match="a model with a chat template, got one without"):
        write_answers(model, without, [OpenQuestion("a", ["b"])])
    for texts, message in ((["a", ""], "none or an empty one"), ([], "none or an"), ("a", "texts as a list of")):
        with pytest.raises(ValueError, match=message):
            text_losses(model, tokenizer, texts)
    with pytest.raises(ValueError, match="per to be one of tokens, words, bytes; got 'lines'"):
        perplexity_ci(pd.DataFrame({"nats": [1.0], "lines": [1]}), per="lines")


SPIDER = "four legs, as a dog does"
ASKED = [
    ChoiceQuestion("Question: What is the capital of France?\nAnswer:", ["Berlin", "Paris", "Rome"], 1),
    ChoiceQuestion("Question: What is 3 plus 4?\nAnswer:", ["6", "7", "8"], 1),
    ChoiceQuestion("Question: How many legs does a spider have?\nAnswer:", ["eight", "six", SPIDER], 0),
    ChoiceQuestion("A plant needs", ["light, water and carbon dioxide", "stones", "music"], 0),
    ChoiceQuestion("The opposite of hot is ", ["cold", "warm", "very hot indeed"], 0),
]  # fmt: skip
READ = [
    "To be, or not to be, that is the question.",
    "The quick brown fox jumps over the lazy dog.\n\nIt was  not the first time.",
    "大模型",
]


@pytest.mark.slow
def test_the_assistants_scores_are_those_of_lm_evaluation_harness():
    # lm_eval 0.4.13 on transformers 5.23, HFLM(pretrained=<folder of smollm2()>, dtype="float32", prefix_token_id=0):
    # simple_evaluate with a multiple_choice task (doc_to_text "{{question}}", acc and acc_norm) and a
    # loglikelihood_rolling task (word_perplexity, byte_perplexity, bits_per_byte).
    model, tokenizer = smollm2()
    rows = choose_answers(model, tokenizer, ASKED)
    expected = [
        [-10.7743, -4.5093, -7.3920], [-2.8636, -2.7125, -4.4684], [-9.6527, -7.9195, -33.8401],
        [-12.4818, -10.7102, -13.1778], [-11.6885, -13.4227, -21.0066],
    ]  # fmt: skip
    np.testing.assert_allclose(np.array(rows["log_likelihoods"].tolist()), expected, atol=2e-3)
    assert (rows["by_sum"] == rows["answer"]).tolist() == [True, True, False, False, True]  # their acc
    assert (rows["by_length"] == rows["answer"]).tolist() == [True, True, False, True, False]  # their acc_norm
    losses = text_losses(model, tokenizer, READ)
    np.testing.assert_allclose(losses["nats"], [26.707247, 57.983734, 27.174389], rtol=1e-5)
    per_word, per_byte = (math.exp(losses["nats"].sum() / losses[per].sum()) for per in ("words", "bytes"))
    assert (per_word, per_byte) == pytest.approx((73.885325, 2.4648725), rel=1e-5)
