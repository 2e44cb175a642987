"""companion.data.speech_commands on WAV files and lists of its format that the test writes."""

import struct
import wave

import pytest
import torch

from companion.data import TensorBatches, speech_commands

# Word, file, number of samples; the value of every sample is its place in this list plus 1.
CLIPS = [
    ("yes", "a_nohash_0.wav", 16_000),
    ("yes", "b_nohash_0.wav", 11_003),
    ("no", "a_nohash_0.wav", 17_011),
    ("no", "b_nohash_0.wav", 16_000),
    ("up", "a_nohash_1.wav", 16_000),
    ("up", "c_nohash_0.wav", 5),
    ("_background_noise_", "pink.wav", 40_009),
]


def write(path, samples, channels=1, width=2, rate=16_000):
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)


@pytest.fixture
def root(tmp_path):
    """The folder as it is after unpacking; nothing is downloaded."""
    root = tmp_path / "unpacked"
    root.mkdir()
    for index, (word, name, count) in enumerate(CLIPS):
        write(root / word / name, struct.pack("<h", index + 1) * count)
    (root / "validation_list.txt").write_text("yes/b_nohash_0.wav\nno/b_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("up/c_nohash_0.wav\n")
    (root / "README.md").write_text("")
    return root


def test_the_lists_make_the_parts(root, tmp_path):
    found = {part: speech_commands(part, folder=tmp_path) for part in ("train", "validation", "test")}
    places = {part: (clips[:, 0] * 2**15).long().tolist() for part, (clips, _) in found.items()}
    assert places == {"train": [3, 5, 1], "validation": [4, 2], "test": [6]}  # by word and file; no background noise
    assert {part: labels.tolist() for part, (_, labels) in found.items()} == {
        "train": [0, 1, 2], "validation": [0, 2], "test": [1],
    }  # fmt: skip
    clips, labels = found["train"]
    assert clips.shape == (3, 16_000)
    assert (clips.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_clips_are_filled_and_cut_to_a_second(root, tmp_path):
    clips, _ = speech_commands("validation", folder=tmp_path)
    assert clips[1].count_nonzero() == 11_003
    assert (clips[1, :11_003] == 2 / 2**15).all()
    assert (clips[1, 11_003:] == 0).all()
    long, _ = speech_commands("train", words=["no"], folder=tmp_path)
    assert (long == 3 / 2**15).all()


def test_samples_are_signed_and_little_endian(root, tmp_path):
    write(root / "up" / "a_nohash_1.wav", b"\x00\x80\xff\x7f\xff\xff\x01\x00")
    clips, _ = speech_commands("train", words=["up"], folder=tmp_path)
    assert (clips[0, :5] * 2**15).tolist() == [-32768, 32767, -1, 1, 0]


def test_words_are_labeled_in_the_order_asked_for(root, tmp_path):
    clips, labels = speech_commands("train", words=("yes", "no"), folder=tmp_path)
    assert labels.tolist() == [1, 0]
    assert (clips[:, 0] * 2**15).tolist() == [3, 1]


def test_it_fits_tensor_batches(root, tmp_path):
    train, validation = (speech_commands(part, folder=tmp_path) for part in ("train", "validation"))
    clips, labels = TensorBatches(train, validation).batch(0, 2, seed=0)
    assert clips.shape == (2, 16_000)
    assert labels.shape == (2,)


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"channels": 2}, "2 of 16 bits at 16000 Hz"),
        ({"width": 1}, "1 of 8 bits at 16000 Hz"),
        ({"rate": 8_000}, "1 of 16 bits at 8000 Hz"),
    ],
)
def test_another_kind_of_wav_is_refused(root, tmp_path, options, got):
    write(root / "yes" / "a_nohash_0.wav", bytes(400), **options)
    with pytest.raises(ValueError, match=f"one channel of 16 bits at 16000 Hz.*yes/a_nohash_0.wav, got {got}"):
        speech_commands("train", folder=tmp_path)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (0, "expected a WAV file in .*got something else or a damaged one"),
        (30, "expected a WAV file in .*got something else or a damaged one"),
        (1_044, "whole, in .*got 1 of 16 bits at 16000 Hz, 1000 bytes for 16000 samples"),
    ],
)
def test_a_cut_wav_is_refused(root, tmp_path, keep, message):
    path = root / "yes" / "a_nohash_0.wav"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=message):
        speech_commands("train", folder=tmp_path)


def test_a_listed_file_that_is_missing_is_named(root, tmp_path):
    (root / "up" / "c_nohash_0.wav").unlink()
    with pytest.raises(FileNotFoundError, match="c_nohash_0.wav"):
        speech_commands("test", folder=tmp_path)


@pytest.mark.parametrize(
    ("part", "words", "message"),
    [
        ("training", None, "expected part to be one of .*; got 'training'"),
        ("train", ["yes", "maybe"], r"different words out of \['no', 'up', 'yes'\], got \['yes', 'maybe'\]"),
        ("train", ["yes", "yes"], "expected different words"),
        ("train", [], r"expected different words .* got \[\]"),
        ("train", ["_background_noise_"], "expected different words"),
    ],
)
def test_what_is_refused(root, tmp_path, part, words, message):
    with pytest.raises(ValueError, match=message):
        speech_commands(part, words=words, folder=tmp_path)


def test_the_archive_is_looked_for_in_the_cache(cache):
    folder = cache / "speech-commands"
    folder.mkdir(parents=True)
    (folder / "speech_commands_v0.02.tar.gz").write_bytes(b"not the archive")
    with pytest.raises(ValueError, match="speech_commands_v0.02.tar.gz to have sha256:af14739ee7dc.*, got sha256:"):
        speech_commands("train")
