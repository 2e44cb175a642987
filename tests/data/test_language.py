import json

import numpy as np
import pytest

from companion import data


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("COMPANION_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield data.token_corpus(["safetensors", "tokenizers", "jaxtyping"], vocab_size=300)
    patch.undo()


def test_each_validation_token_knows_its_module(corpus):
    _, validation = data.split_by_module(data.docstrings(["safetensors", "tokenizers", "jaxtyping"]))
    modules = sorted({document.module for document in validation})
    texts = corpus.tokenizer.decode_batch(
        [part[:-1].tolist() for part in np.split(corpus.validation, np.flatnonzero(corpus.validation == 0)[:-1] + 1)]
    )
    assert texts == [document.text for document in validation]
    ends = np.flatnonzero(corpus.validation == 0)
    assert [modules[i] for i in corpus.validation_module[ends]] == [document.module for document in validation]
    assert corpus.validation_bytes.sum() == sum(len(text.encode()) for text in texts)


def test_a_saved_corpus_comes_back_mapped(corpus, tmp_path):
    about = {"packages": ("safetensors",), "seed": 0}
    assert data.open_corpus(tmp_path, about) is None
    data.save_corpus(corpus, tmp_path, about)
    again = data.open_corpus(tmp_path, about)
    assert isinstance(again.train, np.memmap)
    for name in ("train", "validation", "validation_module"):
        assert np.array_equal(getattr(again, name), getattr(corpus, name))
    assert again.tokenizer.to_str() == corpus.tokenizer.to_str()
    with pytest.raises(ValueError, match="use another folder"):
        data.open_corpus(tmp_path, about | {"seed": 1})
    assert json.loads((tmp_path / "corpus.json").read_text())["seed"] == 0
    (tmp_path / "train.npy").unlink()
    with pytest.raises(FileNotFoundError, match="train.npy"):
        data.open_corpus(tmp_path, about)
