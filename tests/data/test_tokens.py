import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from companion import data
from companion.data.order import shuffled_items

TEXTS = [
    "The array has a shape, and the shape has a length.",
    "naïve 模型\n\n    >>> x = 1\n",
    "one two three two one",
] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return data.train_tokenizer(TEXTS, 300)


@given(text=st.text(min_size=1))
def test_any_text_comes_back(tokenizer, text):
    tokens = data.encode(tokenizer, [text])
    assert tokens[-1] == 0
    assert tokenizer.decode(tokens[:-1].tolist()) == text
    assert data.byte_lengths(tokenizer)[tokens].sum() == len(text.encode())


def test_a_text_cannot_write_the_end_of_text(tokenizer, tmp_path):
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for each in (tokenizer, data.load_tokenizer(tmp_path / "tokenizer.json")):
        tokens = data.encode(each, ["before <|endoftext|> after", "next"])
        assert (tokens == 0).sum() == 2
        assert data.byte_lengths(each)[tokens].sum() == len("before <|endoftext|> afternext")


def from_elsewhere(folder, *, special=("<|endoftext|>",)):
    """A tokenizer.json as GPT-2's: id 0 is '!', and the end of text comes last."""
    trainer = trainers.BpeTrainer(
        vocab_size=270, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens(list(special))
    tokenizer.save(str(folder / "tokenizer.json"))
    return data.load_tokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize("name", ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<｜end▁of▁sentence｜>"])
def test_texts_end_with_the_tokenizer_s_own_end_of_text(tmp_path, name):
    tokenizer = from_elsewhere(tmp_path, special=("<s>", name))
    end = tokenizer.token_to_id(name)
    assert data.end_of_text_id(tokenizer) == end > 1
    tokens = data.encode(tokenizer, ["hello", "world!"])
    assert tokenizer.decode(tokens.tolist(), skip_special_tokens=False) == f"hello{name}world!{name}"
    assert data.byte_lengths(tokenizer)[tokens].sum() == len("helloworld!")


def test_a_tokenizer_without_an_end_of_text_is_refused_unless_one_is_named(tmp_path):
    tokenizer = from_elsewhere(tmp_path, special=("[CLS]", "[SEP]"))
    with pytest.raises(ValueError, match=r"expected a tokenizer with an end of text, one of <\|endoftext\|>, </s>"):
        data.encode(tokenizer, ["hello"])
    separator = tokenizer.token_to_id("[SEP]")
    assert data.encode(tokenizer, ["hello", "you"], end_of_text=separator).tolist().count(separator) == 2


def test_an_added_token_that_is_text_stands_for_its_bytes(tmp_path):
    tokenizer = from_elsewhere(tmp_path)
    tokenizer.add_tokens(["模型"])
    tokens = data.encode(tokenizer, ["a 模型"])
    assert tokenizer.token_to_id("模型") in tokens
    assert data.byte_lengths(tokenizer)[tokens].sum() == len("a 模型".encode())


def test_bytes_are_not_counted_by_tokens_that_are_no_bytes():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "</s>": 1}, unk_token="a"))
    with pytest.raises(ValueError, match="expected a byte-level BPE tokenizer"):
        data.byte_lengths(tokenizer)


@pytest.mark.parametrize(
    "call",
    [
        lambda tokenizer: data.encode(tokenizer, "hello"),
        lambda tokenizer: data.encode(tokenizer, b"hello"),
        lambda tokenizer: data.train_tokenizer("hello", 257),
        lambda tokenizer: data.docstrings("hello"),
        lambda tokenizer: data.token_corpus("hello", vocab_size=300),
        lambda tokenizer: data.encode_captions("hello"),
        lambda tokenizer: data.draw_captions("hello", np.random.default_rng(0)),
        lambda tokenizer: data.CharacterVocabulary("hello"),
        lambda tokenizer: data.CharacterVocabulary(["hello"]).encode("hello"),
        lambda tokenizer: data.speech_commands("test", words="hello", folder="nowhere"),
    ],
)
def test_one_text_where_a_list_is_meant_is_refused(tokenizer, call):
    with pytest.raises(ValueError, match=r"as a list of .*, got one (str|bytes): write \[b?'hello'\]"):
        call(tokenizer)


def test_a_long_text_is_shown_by_its_start(tokenizer):
    with pytest.raises(ValueError, match=r"write \['a{37}'…\]"):
        data.encode(tokenizer, "a" * 50)


@pytest.mark.parametrize(
    "read", [lambda t, texts: data.encode(t, texts), lambda t, texts: data.train_tokenizer(texts, 257)]
)
def test_half_of_a_surrogate_pair_is_refused_with_its_place(tokenizer, read):
    with pytest.raises(ValueError, match=r"half of a surrogate pair \('\\udce9'\) at character 3 of text 1"):
        read(tokenizer, ["fine", "caf\udce9"])
    with pytest.raises(ValueError, match="expected texts, got int at place 1: 7"):
        read(tokenizer, ["fine", 7])


def test_prompts_are_filled_on_their_left():
    prompts = [[3, 0, 5], np.array([7], dtype=np.uint16), [1, 2]]
    tokens, mask = data.pad_left(prompts)
    assert (tokens.dtype, mask.dtype) == (torch.int64, torch.bool)
    for row, kept, prompt in zip(tokens, mask, prompts, strict=True):
        assert row[kept].tolist() == list(prompt)
        assert kept.tolist() == sorted(kept.tolist())
    for bad in ([], [[1], []]):
        with pytest.raises(ValueError, match="at least one prompt, each of at least one token"):
            data.pad_left(bad)


def test_training_a_tokenizer_twice_gives_the_same():
    first, second = (data.train_tokenizer(TEXTS, 290).to_str() for _ in range(2))
    assert first == second


def test_wide_tokens_are_kept_whole():
    tokens = np.array([1, 70_000, 2], dtype=np.uint32)
    batches = data.TokenBatches(np.tile(tokens, 10), block_size=3)
    assert batches.batch(0, 5, seed=0)[0].max() == 70_000


@pytest.mark.parametrize("size", [256, 10_000])
def test_a_vocabulary_that_cannot_be_is_refused(size):
    with pytest.raises(ValueError, match="vocab_size|enough pairs"):
        data.train_tokenizer(TEXTS, size)


def test_no_text_is_refused(tokenizer):
    for texts in ([], ["", ""]):
        with pytest.raises(ValueError, match="expected text to encode, got none"):
            data.encode(tokenizer, texts)


def test_token_files_are_mapped_not_read(tmp_path):
    path = data.save_tokens(np.arange(1_009, dtype=np.uint16), tmp_path / "tokens.npy")
    tokens = data.open_tokens(path)
    assert isinstance(tokens, np.memmap)
    assert (np.asarray(tokens) == np.arange(1_009)).all()
    assert [p.name for p in tmp_path.iterdir()] == ["tokens.npy"]  # nothing half-written is left


def test_a_file_that_is_no_token_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a token file"):
        data.open_tokens(tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("words")
    with pytest.raises(ValueError, match="got something else"):
        data.open_tokens(tmp_path / "text.npy")
    np.save(tmp_path / "floats.npy", np.ones(3))
    with pytest.raises(ValueError, match="got float64"):
        data.open_tokens(tmp_path / "floats.npy")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="got something else"):
        data.open_tokens(tmp_path / "objects.npy")
    with pytest.raises(FileNotFoundError, match="expected a tokenizer"):
        data.load_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="expected a tokenizer"):
        data.load_tokenizer(tmp_path / "tokenizer.json")


@given(n=st.integers(1, 41), batch_size=st.integers(1, 23), seed=st.integers(0, 5))
def test_each_epoch_holds_every_item_once(n, batch_size, seed):
    steps = -(-3 * n // batch_size)
    dealt = np.concatenate([shuffled_items(n, step, batch_size, seed=seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(dealt[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_targets_are_the_tokens_one_later():
    batches = data.TokenBatches(np.arange(1_009), block_size=13)
    for step in (0, 3, 17, 18):
        tokens, targets = batches.batch(step, 7, seed=1)
        assert tokens.shape == targets.shape == (7, 13)
        assert torch.equal(tokens + 1, targets)
        assert torch.equal(tokens - tokens[:, :1], torch.arange(13).expand(7, 13))


def test_an_epoch_of_windows_does_not_overlap_and_the_next_is_moved():
    batches = data.TokenBatches(np.arange(1_009), block_size=13)
    n_windows = 1_008 // 13 - 1
    first = batches.batch(0, n_windows, seed=0)[0]
    second = batches.batch(1, n_windows, seed=0)[0]
    assert len(first.unique()) == len(second.unique()) == n_windows * 13
    assert int(first[0, 0]) % 13 != int(second[0, 0]) % 13


def test_a_batch_depends_on_step_and_seed_alone():
    batches = data.TokenBatches(np.arange(1_009), block_size=13)
    later = batches.batch(5, 3, seed=0)[0]
    assert torch.equal(data.TokenBatches(np.arange(1_009), block_size=13).batch(5, 3, seed=0)[0], later)
    assert not torch.equal(batches.batch(6, 3, seed=0)[0], later)
    assert not torch.equal(batches.batch(5, 3, seed=1)[0], later)


@pytest.mark.parametrize("n", [2, 13, 14, 91, 92, 93, 101])
def test_validation_scores_every_token_once(n):
    batches = data.TokenBatches(np.arange(1_009), np.arange(n), block_size=13)
    targets = torch.cat([targets.flatten() for _, targets in batches.validation(7)])
    assert targets[targets != -100].tolist() == list(range(1, n))


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match="at least 2 \\* block_size \\+ 1 = 27 training tokens, got 26"):
        data.TokenBatches(np.arange(26), block_size=13)
    with pytest.raises(ValueError, match="train to be a one-dimensional array of integers"):
        data.TokenBatches(np.ones((2, 50)), block_size=13)


def test_tensor_batches_keep_rows_together():
    x = torch.arange(41)
    batches = data.TensorBatches((x, 10 * x), (x[:7], 10 * x[:7]))
    rows, labels = batches.batch(2, 17, seed=0)
    assert torch.equal(10 * rows, labels)
    assert torch.equal(torch.cat([rows for rows, _ in batches.validation(3)]), x[:7])
    assert list(data.TensorBatches((x,)).validation(3)) == []


@pytest.mark.parametrize("train", [(), (torch.ones(0, 3),), (torch.ones(3), torch.ones(5))])
def test_tensors_that_do_not_fit_are_refused(train):
    with pytest.raises(ValueError, match="expected train tensors of one length, at least 1"):
        data.TensorBatches(train)
