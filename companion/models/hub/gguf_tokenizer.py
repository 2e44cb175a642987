"""The byte-level BPE tokenizer in a GGUF file."""

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from companion.models.hub.gguf import GGUFFile

#: How ``tokenizer.ggml.pre`` says that a text is split before its pieces are encoded.
_SPLITS = {
    "gpt-2": [],
    "smollm": [pre_tokenizers.Digits(individual_digits=True)],
}
#: llama.cpp's types of tokens that are found in a text before it is split.
_CONTROL, _USER_DEFINED = 3, 4


def read_tokenizer(file: GGUFFile) -> Tokenizer:
    """The tokenizer; where the file says so, a text that it encodes with special tokens begins with ``bos_token``.

    transformers' own reading (5.23) takes GPT-2's split whatever the file says; where it says ``smollm``, digits after
    several spaces or empty lines come out otherwise there than the model was trained on.

    Raises:
        ValueError: for another kind of tokenizer than byte-level BPE, or a split that is not known here.
    """
    if (kind := file.need("tokenizer.ggml.model")) != "gpt2":
        raise ValueError(f"expected tokenizer.ggml.model='gpt2' (byte-level BPE) in {file.path}, got {kind!r}")
    if (split := file.need("tokenizer.ggml.pre")) not in _SPLITS:
        raise ValueError(f"expected tokenizer.ggml.pre to be one of {list(_SPLITS)} in {file.path}, got {split!r}")
    tokens: list[str] = file.need("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in file.need("tokenizer.ggml.merges")]
    try:
        tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    except Exception as error:  # the library raises no narrower type
        raise ValueError(f"expected merges of two tokens each in {file.path}, got others ({error})") from error
    bytes_of_text = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*_SPLITS[split], bytes_of_text])
    tokenizer.decoder = decoders.ByteLevel()
    types = file.get("tokenizer.ggml.token_type", [])
    for special, kind in ((True, _CONTROL), (False, _USER_DEFINED)):
        found = [token for token, its_kind in zip(tokens, types, strict=False) if its_kind == kind]
        tokenizer.add_tokens([AddedToken(token, normalized=False, special=special) for token in found])
    if file.get("tokenizer.ggml.add_bos_token"):
        index, begin = file.need("tokenizer.ggml.bos_token_id"), read_special_tokens(file)["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(single=[begin, "$A"], special_tokens=[(begin, index)])
    return tokenizer


def read_special_tokens(file: GGUFFile) -> dict[str, str]:
    """The tokens with a part of their own, by transformers' names, such as ``eos_token``.

    Raises:
        ValueError: where one is not in the vocabulary.
    """
    tokens: list[str] = file.need("tokenizer.ggml.tokens")
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    ids = {f"{ours}_token": file.get(f"tokenizer.ggml.{theirs}_token_id") for ours, theirs in names.items()}
    given = {name: index for name, index in ids.items() if index is not None}
    for name, index in given.items():
        if index >= len(tokens):
            raise ValueError(f"expected tokenizer.ggml.{name}_id below {len(tokens)} in {file.path}, got {index}")
    return {name: tokens[index] for name, index in given.items()}
