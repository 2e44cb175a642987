"""Speech Commands v0.02 (Warden 2018): 105,829 recordings of a second with one of 35 spoken words. 2.4 GB.

Each is a WAV file, one channel of 16-bit numbers at 16 kHz, in a folder named by its word. ``validation_list.txt`` and
``testing_list.txt`` name the files of two parts; the others are for training. The parts share no speaker. The folder
``_background_noise_`` is left out. The address is in the paper and the archive's README; the SHA-256 checksum is
published by torchaudio, in ``torchaudio/datasets/speechcommands.py``.

Axes: n (clips); time (samples at 16 kHz).
"""

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.checks import check_one_of
from companion.data.checks import refuse_bare_text
from companion.data.download import download_archive
from companion.runtime import cache_dir

URL = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
DIGEST = "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"
RATE = 16_000  # samples a second, and so a clip

SpeechPart = Literal["train", "validation", "test"]
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


def speech_commands(
    part: SpeechPart, *, words: Sequence[str] | None = None, folder: str | Path | None = None
) -> tuple[Float[Tensor, "n time"], Int[Tensor, " n"]]:
    """Clips [n, 16000] and int64 labels [n] of one part, sorted by word and file.

    Samples are float32 in [-1, 1), the 16-bit numbers divided by 32,768. Shorter clips are filled with zeros at their
    end, longer ones are cut there. A clip takes 64 kB of memory, all training clips 5.4 GB; fewer words take less. Two
    calls make a data set: ``TensorBatches(speech_commands("train"), speech_commands("validation"))``.

    Args:
        part: which clips.
        words: which words, label 0 first; by default all, sorted.
        folder: where the archive is, or is downloaded to and unpacked; by default in the cache.

    Raises:
        ConnectionError: where the archive is not there and cannot be downloaded; it says what to fetch by hand.
        FileNotFoundError: where a file of the archive is missing.
        ValueError: for an unknown part or word, an archive with another checksum, or a WAV file of another kind.

    Example:
        >>> clips, labels = speech_commands("validation", words=["yes", "no"])  # doctest: +SKIP
        >>> clips.shape[1]  # doctest: +SKIP
    """
    check_one_of("part", part, get_args(SpeechPart))
    if words is not None:
        refuse_bare_text("words", words, of="words")
    folder = cache_dir() / "speech-commands" if folder is None else folder
    root = download_archive(URL, folder, digest=DIGEST)
    known = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("_"))
    words = known if words is None else list(words)
    if not words or len(set(words)) < len(words) or set(words) - set(known):
        raise ValueError(f"expected different words out of {known}, got {words}")
    names = [name for name in _names(root, part) if name.partition("/")[0] in words]
    clips = torch.zeros(len(names), RATE)
    for clip, name in zip(clips, names, strict=True):
        samples = _read(root / name)[:RATE]
        clip[: len(samples)] = samples
    return clips, torch.tensor([words.index(name.partition("/")[0]) for name in names], dtype=torch.int64)


def _names(root: Path, part: SpeechPart) -> list[str]:
    """Names of a part's files as ``word/file.wav``, sorted."""
    listed = {key: set((root / name).read_text().split()) for key, name in _LISTS.items()}
    if part != "train":
        return sorted(listed[part])
    every = {path.relative_to(root).as_posix() for path in root.glob("*/*.wav")}
    return sorted(every - listed["validation"] - listed["test"])


def _read(path: Path) -> Float[Tensor, " time"]:
    try:
        with wave.open(str(path)) as file:
            kind = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            count = file.getnframes()
            data = file.readframes(count)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"expected a WAV file in {path}, got something else or a damaged one ({error})") from error
    if kind != (1, 16, RATE) or len(data) != 2 * count:
        got = f"{kind[0]} of {kind[1]} bits at {kind[2]} Hz, {len(data)} bytes for {count} samples"
        raise ValueError(f"expected one channel of 16 bits at {RATE} Hz, whole, in {path}, got {got}")
    return torch.from_numpy(np.frombuffer(data, dtype="<i2").astype(np.float32) / 2**15)
