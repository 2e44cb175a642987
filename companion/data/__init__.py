"""Data sets, nearly all of which load with no network, and batches of them."""

from companion.data.benchmarks import BENCHMARKS, benchmark_questions, rated_sentences
from companion.data.canvas import on_canvas, with_clutter
from companion.data.captions import (
    CAPTION_LENGTH,
    CAPTION_WORDS,
    CaptionedShapes,
    all_captions,
    draw_captions,
    encode_captions,
)
from companion.data.cifar import CIFAR10_CLASSES, cifar10
from companion.data.code_tasks import CodeTask, human_eval
from companion.data.corpora import PACKAGES, Document, docstrings, split_by_module
from companion.data.credit import GERMAN_PROTECTED, german_credit
from companion.data.datasets import DatasetBatches, MapDataset
from companion.data.dedup import (
    bands_for,
    candidate_probability,
    decontaminate,
    deduplicate,
    lsh,
    minhash,
    near_duplicates,
)
from companion.data.download import download, download_archive
from companion.data.graphs import Graph, planted_graph, split_nodes
from companion.data.images import digit_scenes, digits, photo_crops, stratified_split
from companion.data.imports import import_graph
from companion.data.json_lines import json_lines
from companion.data.language import CorpusConfig, TokenCorpus, open_corpus, save_corpus, token_corpus, write_corpus
from companion.data.medical import TISSUES, BrainSlices, brain_slices, nuclei
from companion.data.mel import MEL_BANDS, log_mel, mel_filters
from companion.data.openmoji import OPENMOJI_CREDIT, Pictogram, draw_pictograms, pictograms
from companion.data.overlap import module_groups, shared_bytes, split_by_overlap
from companion.data.pairs import CharacterVocabulary, date_pairs, pair_batches, reversal_pairs
from companion.data.questions import ChoiceQuestion, OpenQuestion, read_questions
from companion.data.sound import Sound, add_noise, noise, read_sound
from companion.data.speech import ACCENTS, SPEECH_RATE, VOICES, speak
from companion.data.speech_commands import speech_commands
from companion.data.tables import purchases, r_table
from companion.data.tensors import TensorBatches
from companion.data.text import TextFiles, split_documents
from companion.data.token_files import open_tokens, save_tokens, write_tokens
from companion.data.tokens import (
    END_OF_TEXT,
    TokenBatches,
    as_batch,
    byte_lengths,
    encode,
    end_of_text_id,
    load_tokenizer,
    pad_left,
    train_tokenizer,
)
from companion.data.voices import VOICES_RATE, two_voices
from companion.data.words import PlantedCorpus, SkipGramBatches, planted_corpus

__all__ = [
    "ACCENTS",
    "BENCHMARKS",
    "CAPTION_LENGTH",
    "CAPTION_WORDS",
    "CIFAR10_CLASSES",
    "END_OF_TEXT",
    "GERMAN_PROTECTED",
    "MEL_BANDS",
    "OPENMOJI_CREDIT",
    "PACKAGES",
    "SPEECH_RATE",
    "TISSUES",
    "VOICES",
    "VOICES_RATE",
    "BrainSlices",
    "CaptionedShapes",
    "CharacterVocabulary",
    "ChoiceQuestion",
    "CodeTask",
    "CorpusConfig",
    "DatasetBatches",
    "Document",
    "Graph",
    "MapDataset",
    "OpenQuestion",
    "Pictogram",
    "PlantedCorpus",
    "SkipGramBatches",
    "Sound",
    "TensorBatches",
    "TextFiles",
    "TokenBatches",
    "TokenCorpus",
    "add_noise",
    "all_captions",
    "as_batch",
    "bands_for",
    "benchmark_questions",
    "brain_slices",
    "byte_lengths",
    "candidate_probability",
    "cifar10",
    "date_pairs",
    "decontaminate",
    "deduplicate",
    "digit_scenes",
    "digits",
    "docstrings",
    "download",
    "download_archive",
    "draw_captions",
    "draw_pictograms",
    "encode",
    "encode_captions",
    "end_of_text_id",
    "german_credit",
    "human_eval",
    "import_graph",
    "json_lines",
    "load_tokenizer",
    "log_mel",
    "lsh",
    "mel_filters",
    "minhash",
    "module_groups",
    "near_duplicates",
    "noise",
    "nuclei",
    "on_canvas",
    "open_corpus",
    "open_tokens",
    "pad_left",
    "pair_batches",
    "photo_crops",
    "pictograms",
    "planted_corpus",
    "planted_graph",
    "purchases",
    "r_table",
    "rated_sentences",
    "read_questions",
    "read_sound",
    "reversal_pairs",
    "save_corpus",
    "save_tokens",
    "shared_bytes",
    "speak",
    "speech_commands",
    "split_by_module",
    "split_by_overlap",
    "split_documents",
    "split_nodes",
    "stratified_split",
    "token_corpus",
    "train_tokenizer",
    "two_voices",
    "with_clutter",
    "write_corpus",
    "write_tokens",
]
