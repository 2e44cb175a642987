"""The model that a command's option names: the assistant, a folder, a GGUF file, or adapters."""

from pathlib import Path

from companion.models import GPT, ChatTokenizer, smollm2
from companion.models.hub.folder import read_json
from companion.models.hub.gguf import find_gguf

#: The assistant that comes with the book, by the name that options have for it.
ASSISTANT = "smollm2"
#: What an option that names a model says of itself.
PLACES = "smollm2 (the assistant that comes with the book), a model's folder or .gguf file, or a folder of adapters"

_ADAPTER = "adapter_config.json"


def open_model(place: str) -> tuple[GPT, ChatTokenizer]:
    """A model in evaluation mode, adapters merged, and its tokenizer, which may have no chat template.

    Raises:
        FileNotFoundError: where there is no such model, or the package with the assistant is not installed.
        ImportError: where a package is missing that reads it.
        ValueError: where it is damaged, or adapters are for another model.
    """
    folder = Path(place)
    if not (folder / _ADAPTER).is_file():
        return _open_plain(place)
    from companion.finetune import load_adapter, merge_and_unload  # takes seconds, which others need not wait for

    model, tokenizer = open_model(read_json(folder / _ADAPTER).get("base_model_name_or_path") or ASSISTANT)
    return merge_and_unload(load_adapter(model, folder)).eval(), tokenizer


def _open_plain(place: str) -> tuple[GPT, ChatTokenizer]:
    if place == ASSISTANT:
        return smollm2()
    folder = Path(place)
    return GPT.from_pretrained(folder), _tokenizer(folder)


def _tokenizer(folder: Path) -> ChatTokenizer:
    """A folder's tokenizer: one that pretrain wrote knows the end of a text, and no conversations."""
    if find_gguf(folder) is not None or (folder / "tokenizer_config.json").is_file():
        return ChatTokenizer.from_pretrained(folder)
    from companion.data import END_OF_TEXT, load_tokenizer

    return ChatTokenizer(load_tokenizer(folder / "tokenizer.json"), None, {"eos_token": END_OF_TEXT})
