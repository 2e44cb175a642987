"""A tokenizer that also writes conversations, as the model that it belongs to was trained on them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor

from companion.models.hub.chat_template import Message, check_messages, render
from companion.models.hub.folder import read_json
from companion.models.hub.gguf import GGUFFile, find_gguf
from companion.models.hub.gguf_tokenizer import read_special_tokens, read_tokenizer

_TEMPLATE = "chat_template"
_GENERATION, _STOPS = "generation_config.json", "eos_token_id"
_END_OF_TEXT = "<|endoftext|>"
_MARK = re.compile(r"[^\w\s]")  # what a word has not, nor a run of spaces, which tokenizers add too
_PRIVATE_USE = range(0xE000, 0xF900)  # characters that mean nothing, by Unicode's design


class ChatTokenizer:
    """Text to tokens and back, and conversations to tokens, with the names that transformers gives these methods.

    A special token is written by the chat template only: a text or a message that says ``<|im_end|>`` is ordinary text,
    so no user can end a turn or speak for another. That holds too of marks that a template writes and a tokenizer does
    not call special, such as ``<｜User｜>``; but what the assistant writes with them (``<think>``) stays what it is.

    Args:
        tokenizer: splits texts into tokens.
        template: Jinja2 text that writes ``messages`` as one text; None where the model knows no conversations.
        special: the tokens with a part of their own, by transformers' names: at least ``eos_token``.

    Raises:
        ValueError: where ``special`` has no ``eos_token``, or one that the tokenizer lacks.

    Example:
        >>> from companion.data import train_tokenizer
        >>> template = "{% for message in messages %}{{ message.role }}: {{ message.content }}<|endoftext|>{% endfor %}"
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), template, {"eos_token": "<|endoftext|>"})
        >>> tokens = tokenizer.apply_chat_template([{"role": "user", "content": "Hello <|endoftext|>"}])
        >>> tokens.count(tokenizer.end_of_text)  # the one that the user wrote is text
        1
    """

    def __init__(self, tokenizer: Tokenizer, template: str | None, special: Mapping[str, str]) -> None:
        end_of_turn = tokenizer.token_to_id(special.get("eos_token", ""))
        if end_of_turn is None:
            raise ValueError(f"expected eos_token to be a token of the tokenizer, got {special.get('eos_token')!r}")
        tokenizer.encode_special_tokens = True  # see above; a tokenizer.json does not keep this
        self.tokenizer, self.template, self.special = tokenizer, template, dict(special)
        #: The token that ends a message, transformers' ``eos_token_id``.
        self.end_of_turn = end_of_turn
        added = tokenizer.get_added_tokens_decoder().items()
        self._special_ids = {token.content: index for index, token in added if token.special}
        self._spelled = _any_of(self._special_ids)
        others = [token.content for _, token in added if not token.special]
        self._marks = _any_of(text for text in others if text in (template or "") and _MARK.search(text))
        self._more_stops: list[int] = []

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return self.tokenizer.get_vocab_size()

    @property
    def end_of_text(self) -> int:
        """The token that ends a document, ``<|endoftext|>`` where there is one, else :attr:`end_of_turn`."""
        return self._special_ids.get(_END_OF_TEXT, self.end_of_turn)

    @property
    def stop_tokens(self) -> list[int]:
        """The tokens at which an answer is over, these two and those that the model's folder names."""
        return sorted({self.end_of_turn, self.end_of_text, *self._more_stops})

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; no special token is added.

        Raises:
            TypeError: for anything but a text.
            ValueError: for half of a surrogate pair, which is no character.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected one text, got {type(text).__name__}: encode each by itself")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"expected text, got {text[error.start]!r} at character {error.start}: {error.reason}"
            ) from error
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int] | Int[Tensor, " time"], *, skip_special_tokens: bool = False) -> str:
        """The text of tokens; a character whose bytes are not all there becomes �.

        Raises:
            ValueError: for more than one sequence, or a token outside the vocabulary.
        """
        if isinstance(tokens, Tensor) and tokens.ndim != 1:
            raise ValueError(
                f"expected the tokens of one text, got shape {tuple(tokens.shape)}: decode each row by itself"
            )
        ids = [int(token) for token in tokens]
        if wrong := [token for token in ids if self.tokenizer.id_to_token(token) is None]:
            raise ValueError(f"expected tokens from 0 to {self.vocab_size - 1}, got {wrong[0]}")
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def apply_chat_template(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> list[int]:
        """The tokens of a conversation.

        Args:
            messages: who said what, in order, such as ``[{"role": "user", "content": "Good morning"}]``.
            add_generation_prompt: end with the beginning of the assistant's next message, for the model to go on.

        Raises:
            ImportError: where Jinja2 is not installed.
            ValueError: where there is no template, or it refuses the conversation, or a message is not a known role
                with a text.
        """
        if self.template is None:
            raise ValueError(
                "expected a model with a chat template, got one without: encode its text as it was trained"
            )
        check_messages(messages)
        said = "".join([self.template, *(message["content"] for message in messages)])
        free = (chr(code) for code in _PRIVATE_USE if chr(code) not in said)
        glue, cut = next(free), next(free)
        broken = [self._broken(message, glue, cut) for message in messages]
        rendered = render(self.template, broken, add_generation_prompt=add_generation_prompt, special=self.special)
        tokens: list[int] = []
        for piece in self._spelled.split(rendered):
            index = self._special_ids.get(piece)
            if index is not None:
                tokens.append(index)
            else:  # whole, a mark that is not special would be found in it again
                tokens += [token for part in piece.replace(glue, "").split(cut) for token in self.encode(part)]
        return tokens

    def _broken(self, message: Message, glue: str, cut: str) -> Message:
        """The message with a character inside each special token and mark that it spells out, so that it is none."""
        text = self._spelled.sub(lambda found: found[0][0] + glue + found[0][1:], message["content"])
        if message["role"] != "assistant":
            text = self._marks.sub(lambda found: found[0][0] + cut + found[0][1:], text)
        return {**message, "content": text}

    @classmethod
    def from_pretrained(cls, path: str | Path) -> Self:
        """The tokenizer of a Hugging Face folder, of one that this class wrote, or of a GGUF file (or a folder of one).

        Raises:
            FileNotFoundError: where a file is missing.
            ImportError: for a GGUF file where the ``gguf`` package is not installed.
            ValueError: where a file is damaged, or is of a kind of tokenizer that is not read here.
        """
        folder = Path(path)
        if not (folder / "tokenizer.json").is_file() and (file := find_gguf(folder)) is not None:
            return cls.from_gguf(GGUFFile(file))
        config = read_json(folder / "tokenizer_config.json")
        named = {name: value for name, value in config.items() if name.endswith("_token")}
        contents = {name: value["content"] if isinstance(value, dict) else value for name, value in named.items()}
        special = {name: token for name, token in contents.items() if isinstance(token, str)}
        found = cls(_load_tokenizer(folder / "tokenizer.json"), _read_template(folder, config), special)
        found._more_stops = _read_stops(folder, found.tokenizer)
        return found

    @classmethod
    def from_gguf(cls, file: GGUFFile) -> Self:
        """The tokenizer in an open GGUF file; raises as :meth:`from_pretrained`."""
        return cls(read_tokenizer(file), file.get("tokenizer.chat_template"), read_special_tokens(file))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the files that :meth:`from_pretrained` and transformers read, beside those of the model."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", **self.special}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf8")
        if self.template is not None:
            (folder / f"{_TEMPLATE}.jinja").write_text(self.template, encoding="utf8")
        if self._more_stops:
            (folder / _GENERATION).write_text(json.dumps({_STOPS: self.stop_tokens}) + "\n", encoding="utf8")


def _load_tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise FileNotFoundError(f"expected a tokenizer in {path}, got no such file")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower type
        raise ValueError(f"expected a tokenizer in {path}, got something else ({error})") from error


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """What finds each of the texts, the longest first; nothing where there are none."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")


def _read_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The template of a file of its own, else that of the config; of several, which have names, the default one."""
    jinja = folder / f"{_TEMPLATE}.jinja"
    if jinja.is_file():
        return jinja.read_text(encoding="utf8")
    found = config.get(_TEMPLATE)
    if isinstance(found, list):
        found = next((each.get("template") for each in found if each.get("name") == "default"), found)
    if not isinstance(found, str | None):
        raise ValueError(f"expected a chat template, or several of which one is the default, in {folder}, got {found}")
    return found


def _read_stops(folder: Path, tokenizer: Tokenizer) -> list[int]:
    """The tokens that end an answer by ``generation_config.json``, where Llama 3 names the end of a turn."""
    if not (folder / _GENERATION).is_file():
        return []
    found = read_json(folder / _GENERATION).get(_STOPS)
    stops = found if isinstance(found, list) else [] if found is None else [found]
    if wrong := [token for token in stops if type(token) is not int or tokenizer.id_to_token(token) is None]:
        raise ValueError(f"expected {_STOPS} in {folder / _GENERATION} to be tokens, got {wrong[0]!r}")
    return stops
