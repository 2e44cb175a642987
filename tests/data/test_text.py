import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion import data
from companion.data import text as text_module
from companion.data.text import PIECE

ROOT = Path(__file__).parents[2]
WORDS = ["hay", "animal", "eats", "naïve", "模型", "number", "what", "left", "the", "of"]


def prose(n: int, seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, n))


@pytest.fixture
def folder(tmp_path):
    """Text of all kinds: 11 files of which one is long, 13 JSON lines, and what is to be passed over."""
    root = tmp_path / "text"
    for below in ("sub/deeper", ".git"):
        (root / below).mkdir(parents=True)
    for i in range(10):
        (root / "sub" / f"{i}.md").write_text(f"# Page {i}\n\n{prose(30, i)}\n", encoding="utf-8")
    long = "\n\n".join(prose(100, i) for i in range(100, 160))
    (root / "sub" / "deeper" / "long.txt").write_text(long, encoding="utf-8")
    lines = [json.dumps({"id": i, "body": prose(20, 50 + i)}) for i in range(13)]
    (root / "lines.jsonl").write_text("\n".join([*lines[:5], "", *lines[5:]]) + "\n", encoding="utf-8")
    (root / "empty.txt").write_text("")
    (root / "blank.txt").write_text(" \n\n \n")
    (root / ".git" / "index").write_bytes(b"\xff\xfe\x00")
    (root / ".hidden").write_bytes(b"\xff")
    return root


def whole(documents):
    """The documents with their pieces joined."""
    texts, part = {}, ""
    for document in documents:
        part += document.text
        if document.ends:
            texts[document.module] = part
            part = ""
    assert part == ""
    return texts


def test_a_folder_is_read_below_and_long_files_come_in_pieces(folder):
    documents = list(data.TextFiles(folder, field="body"))
    assert max(len(document.text.encode()) for document in documents) <= PIECE
    texts = whole(documents)
    assert len(texts) == 11 + 13
    long = folder / "sub" / "deeper" / "long.txt"
    assert len([d for d in documents if d.module == str(long)]) > 1
    assert texts[str(long)] == long.read_text(encoding="utf-8")
    assert texts[f"{folder}/lines.jsonl:7"] == prose(20, 55)  # the sixth line is empty: an editor's numbers, not ours


@pytest.mark.parametrize("mark", ["\n\n", "\n", " ", ""])
def test_one_file_is_cut_where_it_hurts_least(tmp_path, mark):
    text = mark.join(["模型é"[:2] + "x" * 30] * 3_000)
    (tmp_path / "one.txt").write_text(text, encoding="utf-8")
    documents = list(data.TextFiles(tmp_path / "one.txt"))
    assert len(documents) > 5
    assert all(document.ends and len(document.text.encode()) <= PIECE for document in documents)
    assert "".join(document.text for document in documents) == text
    assert all(document.text.endswith(mark) for document in documents[:-1])
    starts = [int(document.module.rpartition(":")[2]) for document in documents]
    assert starts == list(np.cumsum([0, *(len(d.text.encode()) for d in documents[:-1])]))


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), piece=st.integers(8, 13))
def test_any_text_is_put_together_again_but_for_blank_pieces(text, piece):

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "PIECE", piece)
        pieces = list(text_module._pieces(io.BytesIO(text.encode()), "it"))
    raw = text.encode()
    assert all(raw[start:].decode().removeprefix("\ufeff" if start == 0 else "").startswith(t) for start, t in pieces)
    # White space alone may be left out between two pieces, which then stand together.
    assert "".join("".join(t for _, t in pieces).split()) == "".join(text.removeprefix("\ufeff").split())


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_text("Words.", encoding="utf-8-sig")
    (tmp_path / "b.jsonl").write_text('{"text": "More words."}', encoding="utf-8-sig")
    assert [document.text for document in data.TextFiles(tmp_path)] == ["Words.", "More words."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"caf\xe9", r"expected UTF-8 text in .*a\.txt, got 0xe9 at byte 3: convert the file, or take it out"),
        ("a.txt", b"x" * 40_000 + b"\xff", r"got 0xff at byte 40000"),
        ("a.txt", "né".encode("utf-16"), r"got 0xff at byte 0"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "caf\xe9"}\n', r"a\.jsonl, got 0xe9 at byte 27"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": "a"\n', r"expected a JSON object in .*a\.jsonl:3, got something else"),
        ("a.jsonl", b"[" * 100_000, r"expected a JSON object in .*a\.jsonl:1, got something else"),
        ("a.jsonl", b'{"body": "a", "id": 1}', r"field 'text' in .*a\.jsonl:1, got an object with 'body', 'id'"),
        ("a.jsonl", b'{"text": 1}', r"expected a JSON object with text in its field 'text' in .*a\.jsonl:1, got"),
        ("a.jsonl", b'["text"]', r"a\.jsonl:1, got none"),
        ("a.jsonl", b'{"text": "\\ud800"}', r"expected Unicode text in .*a\.jsonl:1, got half a surrogate pair"),
    ],
)
def test_what_is_no_text_is_refused_where_it_stands(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(data.TextFiles(tmp_path))


def test_no_text_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="got no such file or folder"):
        data.TextFiles(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="got an empty folder"):
        data.TextFiles(tmp_path)


def test_the_sides_share_no_document_and_no_copy(tmp_path):
    pages = [data.Document(f"page {i}", "", prose(20, i % 40)) for i in range(100)]  # each text two or three times
    for seed in range(5):
        train, validation = (list(side) for side in data.split_documents(pages, seed=seed))
        assert len(train) + len(validation) == 100
        assert not {d.text for d in train} & {d.text for d in validation}
        assert len({d.text for d in validation}) == 4  # a tenth of 40
    assert list(data.split_documents(pages, seed=0)[1]) != list(data.split_documents(pages, seed=1)[1])
    again = data.split_documents(pages, seed=4)[1]
    assert list(again) == list(again) == validation  # it may be read more than once


def test_pieces_of_a_document_stay_on_one_side():
    pieces = [data.Document(f"book {i}", "", prose(9, 7 * i + j), ends=j == 6) for i in range(11) for j in range(7)]
    train, validation = (list(side) for side in data.split_documents(pieces, validation_fraction=0.3))
    assert len(validation) == 3 * 7
    assert not {d.module for d in train} & {d.module for d in validation}


def test_what_is_held_out_is_bounded(monkeypatch):
    monkeypatch.setattr(text_module, "_MOST_HELD_OUT", 1_000)
    pages = [data.Document(f"page {i}", "", f"{i:>100}") for i in range(300)]
    train, validation = data.split_documents(pages)
    assert (len(list(validation)), validation.n_bytes, train.n_bytes) == (10, 1_000, 29_000)


def test_too_few_documents_are_refused():
    pages = [data.Document(f"page {i}", "", f"text {i % 3}") for i in range(100)]
    with pytest.raises(ValueError, match="at least 4 different documents to train and validate on, got 3: give more"):
        data.split_documents(pages)
    assert len(list(data.split_documents(pages[:2] + [data.Document(str(i), "", str(i)) for i in range(2)])[1])) == 2
    with pytest.raises(ValueError, match=r"validation_fraction in \(0, 1\), got 1"):
        data.split_documents(pages, validation_fraction=1)


def test_own_text_becomes_tokens_that_know_their_document(folder, tmp_path):
    config = data.CorpusConfig(text=str(folder), field="body", vocab_size=280)
    corpus = data.write_corpus(config, tmp_path / "corpus")
    texts = whole(data.TextFiles(folder, field="body"))
    decoded = {}
    for side in ("train", "validation"):
        tokens = np.asarray(getattr(corpus, side))
        assert isinstance(getattr(corpus, side), np.memmap)
        parts = np.split(tokens, np.flatnonzero(tokens == 0) + 1)
        assert len(parts.pop()) == 0  # the last document too is followed by the end of text
        decoded[side] = [corpus.tokenizer.decode(part[:-1].tolist()) for part in parts]
    assert sorted(decoded["train"] + decoded["validation"]) == sorted(texts.values())
    by_document = np.bincount(corpus.validation_module, weights=corpus.validation_bytes)
    lengths = {name: len(text.encode()) for name, text in texts.items() if text in decoded["validation"]}
    assert by_document.tolist() == [lengths[name] for name in sorted(lengths)]
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    again = data.open_corpus(tmp_path / "corpus", about)
    assert np.array_equal(again.validation_module, corpus.validation_module)
    assert sorted(path.name for path in (tmp_path / "corpus").iterdir()) == [
        "corpus.json", "tokenizer.json", "train.npy", "validation.npy", "validation_module.npy",
    ]  # fmt: skip


def test_docstrings_are_written_as_they_are_made_in_memory(tmp_path, cache):
    packages = ("safetensors", "tokenizers", "jaxtyping")
    written = data.write_corpus(data.CorpusConfig(packages=packages, vocab_size=300), tmp_path)
    made = data.token_corpus(packages, vocab_size=300)
    for name in ("train", "validation", "validation_module"):
        assert np.array_equal(getattr(written, name), getattr(made, name))
        assert getattr(written, name).dtype == getattr(made, name).dtype
    assert np.array_equal(made.train, data.encode(made.tokenizer, [
        document.text for document in data.split_by_module(data.docstrings(packages))[0]
    ]))  # fmt: skip


def test_of_much_text_the_tokenizer_learns_from_a_part(folder, tmp_path, monkeypatch):
    from companion.data import language

    config = data.CorpusConfig(text=str(folder), field="body", vocab_size=270)
    all_of_it = data.write_corpus(config, tmp_path / "all").tokenizer
    monkeypatch.setattr(language, "_TOKENIZER_BYTES", 10_000)
    seen = []
    learn = language.train_tokenizer
    monkeypatch.setattr(language, "train_tokenizer", lambda texts, size: learn(seen.extend(texts) or seen, size))
    some = data.write_corpus(config, tmp_path / "some").tokenizer
    assert 0 < sum(len(text.encode()) for text in seen) < 30_000
    assert some.to_str() != all_of_it.to_str()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": ""}, "expected text, or packages, got text='' and"),
        ({"packages": ()}, "expected text, or packages"),
        ({"vocab_size": 256}, "expected vocab_size from 257 to 2097151, got 256"),
        ({"seed": -1}, "expected seed from 0 to 4294967295, got -1"),
        ({"seed": 2**32}, "expected seed from 0"),
    ],
)
def test_a_config_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        data.CorpusConfig(**settings)


@pytest.mark.parametrize(
    "name", ["corpus.json", "tokenizer.json", "train.npy", "validation.npy", "validation_module.npy"]
)
@pytest.mark.parametrize("left", [0, 0.5])
def test_a_cut_file_says_what_to_remove(folder, tmp_path, name, left):
    config = data.CorpusConfig(text=str(folder), field="body", vocab_size=270)
    data.write_corpus(config, tmp_path / "corpus")
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    path = tmp_path / "corpus" / name
    path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    with pytest.raises(ValueError, match=f"{name}, got something else .*: remove {path.parent} to make it again"):
        data.open_corpus(tmp_path / "corpus", about)


def test_text_far_larger_than_the_memory_it_takes(tmp_path):
    """5 MB more of text, in files and one long JSON line, take less than 2.5 MB more of memory."""
    program = """
import resource, sys
from companion import data
data.text.PIECE = 2**11  # what is in flight, some hundred pieces, is so small that the small text fills it
for name in ("small", "large"):
    config = data.CorpusConfig(text=f"{sys.argv[1]}/{name}", vocab_size=500)
    data.write_corpus(config, f"{sys.argv[1]}/of-{name}")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    rng = np.random.default_rng(0)
    words = np.array(["".join(rng.choice(list("abcdefghijklmnop"), rng.integers(2, 9))) for _ in range(2_000)])
    for name, size in (("small", 40), ("large", 280)):
        (tmp_path / name).mkdir()
        block = "\n".join(" ".join(rng.choice(words, 80)) for _ in range(size))
        for i in range(4):
            (tmp_path / name / f"{i}.txt").write_text(block * 10 + str(i))
        (tmp_path / name / "all.jsonl").write_text(json.dumps({"text": block * 10}) + "\n" + '{"text": "x"}\n')
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    small, large = (int(line) * 1024 for line in done.stdout.split())
    text = sum(path.stat().st_size for path in (tmp_path / "large").iterdir())
    assert large - small < text / 2
