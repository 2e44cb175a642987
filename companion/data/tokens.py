"""From text to tokens to batches: byte-level BPE, windows for training."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, Integer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from companion.data.checks import checked_texts, refuse_bare_text
from companion.data.fingerprint import digest
from companion.data.order import shuffled_items
from companion.data.token_files import Tokens, check_tokens

END_OF_TEXT = "<|endoftext|>"  #: the token between documents, as GPT-2 writes it
#: What tokenizers call the end of a text: ours and GPT-2's, then those of Llama 2, Llama 3, Gemma, DeepSeek.
_ENDS = (END_OF_TEXT, "</s>", "<|end_of_text|>", "<eos>", "<｜end▁of▁sentence｜>")
IGNORED = -100

Windows = tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]  # tokens and targets
_NONE = np.empty(0, dtype=np.uint16)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE tokenizer, as GPT-2's (Sennrich et al. 2016; Radford et al. 2019). Token 0 is the end of a text.

    Every byte has a token of its own, so any text can be encoded, and decoding gives back the same text.

    Args:
        texts: what the merges are learned from: training texts only.
        vocab_size: number of tokens, at least 257 (256 bytes and the end of text).

    Raises:
        ValueError: where ``vocab_size`` is too small, or the texts are too few to fill it, or are no texts.

    Example:
        >>> tokenizer = train_tokenizer(["low lower lowest"] * 10, 262)
        >>> tokenizer.encode("slow").tokens
        ['s', 'low']
        >>> tokenizer.decode(tokenizer.encode("Völlig neu 你好").ids)
        'Völlig neu 你好'
    """
    refuse_bare_text("texts", texts)
    if vocab_size < 257:
        raise ValueError(f"expected vocab_size of at least 257 (256 bytes and {END_OF_TEXT}), got {vocab_size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(checked_texts(texts), trainer)
    tokenizer.encode_special_tokens = True  # a text that says "<|endoftext|>" is text: token 0 is never written by it
    if tokenizer.get_vocab_size() < vocab_size:
        raise ValueError(
            f"expected texts with enough pairs for {vocab_size} tokens, got {tokenizer.get_vocab_size()}: "
            f"give more text, or a smaller vocab_size"
        )
    return tokenizer


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file holds no tokenizer.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tokenizer.json"
        >>> train_tokenizer(["a text"], 257).save(str(path))
        >>> load_tokenizer(path).get_vocab_size()
        257
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"expected a tokenizer in {path}, got no such file")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower type
        raise ValueError(f"expected a tokenizer in {path}, got something else ({error})") from error
    tokenizer.encode_special_tokens = True  # the file does not keep this
    return tokenizer


def end_of_text_id(tokenizer: Tokenizer) -> int:
    """The token that ends a text: 0 in our tokenizers; in another's, the one with one of the usual names.

    Raises:
        ValueError: where there is none.

    Example:
        >>> end_of_text_id(train_tokenizer(["a text"], 257))
        0
    """
    found = (tokenizer.token_to_id(name) for name in _ENDS)
    end = next((index for index in found if index is not None), None)
    if end is None:
        raise ValueError(
            f"expected a tokenizer with an end of text, one of {', '.join(_ENDS)}, got none of them: give the "
            f"number of its own as end_of_text"
        )
    return end


def encode(tokenizer: Tokenizer, texts: Sequence[str], *, end_of_text: int | None = None) -> Tokens:
    """The tokens of all texts in order, each text followed by the end of text, as uint16 (uint32 past 65,536 tokens).

    Args:
        tokenizer: ours, or another's.
        texts: a list, of which at least one is not empty.
        end_of_text: the token that ends each text; None takes :func:`end_of_text_id`.

    Raises:
        ValueError: where there is no text, one text in place of a list, half of a surrogate pair, or no end of text.

    Example:
        >>> tokenizer = train_tokenizer(["a text"], 257)
        >>> encode(tokenizer, ["a", "text"])
        array([65,  0, 84, 69, 88, 84,  0], dtype=uint16)
    """
    refuse_bare_text("texts", texts)
    texts = list(checked_texts(texts))
    if not any(texts):
        raise ValueError("expected text to encode, got none")
    end = end_of_text_id(tokenizer) if end_of_text is None else end_of_text
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32
    # encode_batch works on all cores, where a user has not asked the library to refrain.
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return np.concatenate([np.array([*encoding.ids, end], dtype=dtype) for encoding in encodings])


def byte_lengths(tokenizer: Tokenizer) -> Int[np.ndarray, " vocab"]:
    """How many bytes of text each token stands for; special ones, such as the end of text, stand for none.

    Raises:
        ValueError: where the tokenizer is no byte-level BPE.

    Example:
        >>> tokenizer = train_tokenizer(["a text"], 257)
        >>> byte_lengths(tokenizer)[tokenizer.encode("text").ids].tolist()
        [1, 1, 1, 1]
    """
    if not isinstance(tokenizer.decoder, decoders.ByteLevel):
        raise ValueError(
            f"expected a byte-level BPE tokenizer, whose tokens have a character a byte, got one that decodes with "
            f"{type(tokenizer.decoder).__name__}: count the bytes of the text itself"
        )
    lengths = np.zeros(max(tokenizer.get_vocab().values()) + 1, dtype=np.int64)  # ids may have gaps
    for token, index in tokenizer.get_vocab().items():
        lengths[index] = len(token)
    for index, added in tokenizer.get_added_tokens_decoder().items():
        lengths[index] = 0 if added.special else len(added.content.encode())  # written as they are
    return lengths


def as_batch(tokens: Tokens, device: torch.device) -> Int[Tensor, "1 time"]:
    """Tokens as a model takes them: a batch of one sequence.

    Example:
        >>> as_batch(np.array([5, 6, 7], dtype=np.uint16), torch.device("cpu"))
        tensor([[5, 6, 7]])
    """
    return torch.from_numpy(np.asarray(tokens, dtype=np.int64))[None].to(device)


def pad_left(
    prompts: Sequence[Sequence[int] | Integer[np.ndarray, " _"]], device: torch.device | str = "cpu"
) -> tuple[Int[Tensor, "batch time"], Bool[Tensor, "batch time"]]:
    """Prompts as one batch, filled with 0 on their left, and its mask, for :meth:`companion.models.GPT.generate`.

    Raises:
        ValueError: for no prompt, or an empty one.

    Example:
        >>> tokens, padding_mask = pad_left([[5, 6, 7], [8]])
        >>> tokens.tolist(), padding_mask.tolist()
        ([[5, 6, 7], [0, 0, 8]], [[True, True, True], [False, False, True]])
    """
    lengths = np.array([len(prompt) for prompt in prompts])
    if not len(lengths) or not lengths.all():
        raise ValueError(f"expected at least one prompt, each of at least one token, got lengths {lengths.tolist()}")
    mask = np.arange(lengths.max()) >= lengths.max() - lengths[:, None]
    tokens = np.zeros(mask.shape, dtype=np.int64)
    tokens[mask] = np.concatenate(prompts)
    return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)


class TokenBatches:
    """Windows of ``block_size`` tokens with the same windows one token later as targets.

    Training windows do not overlap; each epoch shuffles them anew and moves them by a new offset, so that a word is not
    always at the same position.

    Args:
        train: training tokens, in memory or mapped.
        validation: validation tokens; empty for none.
        block_size: tokens a window.

    Raises:
        ValueError: where the training tokens do not fill one window, or are no integers in one dimension.

    Example:
        >>> tokens, targets = TokenBatches(np.arange(100), block_size=5).batch(0, 2, seed=0)
        >>> bool((targets[:, :-1] == tokens[:, 1:]).all()), tokens.shape
        (True, torch.Size([2, 5]))
    """

    def __init__(
        self, train: Tokens, validation: Integer[np.ndarray, " validation_time"] = _NONE, *, block_size: int
    ) -> None:
        for name, tokens in (("train", train), ("validation", validation)):
            check_tokens(tokens, name)
        if len(train) < 2 * block_size + 1:
            raise ValueError(
                f"expected at least 2 * block_size + 1 = {2 * block_size + 1} training tokens, got {len(train)}: "
                f"give more text, or a smaller block_size"
            )
        self.train, self.validation_tokens, self.block_size = train, validation, block_size

    def batch(self, step: int, batch_size: int, *, seed: int) -> Windows:
        """Tokens and targets of training step ``step``."""
        n_windows = (len(self.train) - 1) // self.block_size - 1  # one less: room for the offset
        windows = shuffled_items(n_windows, step, batch_size, seed=seed)
        epochs = np.arange(step * batch_size, (step + 1) * batch_size) // n_windows
        offsets = [int(np.random.default_rng([seed, int(e), 1]).integers(self.block_size)) for e in np.unique(epochs)]
        starts = windows * self.block_size + np.array(offsets)[epochs - epochs[0]]
        rows = np.stack([self.train[start : start + self.block_size + 1] for start in starts]).astype(np.int64)
        both = torch.from_numpy(rows)
        return both[:, :-1], both[:, 1:]

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others, of a large file by samples (see ``companion.data.fingerprint``)."""
        return {
            "block_size": self.block_size,
            "train": digest(self.train),
            "validation": digest(self.validation_tokens),
        }

    def validation(self, batch_size: int) -> Iterator[Windows]:
        """All validation tokens in windows that do not overlap; the last window is filled with targets of -100."""
        n, block = len(self.validation_tokens), self.block_size
        for first in range(0, n - 1, batch_size * block):
            piece = torch.from_numpy(self.validation_tokens[first : first + batch_size * block + 1].astype(np.int64))
            short = -(len(piece) - 1) % block
            tokens = torch.nn.functional.pad(piece[:-1], (0, short))
            targets = torch.nn.functional.pad(piece[1:], (0, short), value=IGNORED)
            yield tokens.view(-1, block), targets.view(-1, block)
