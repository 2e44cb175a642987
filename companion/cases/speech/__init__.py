"""Speech to words: networks, decoders, and what is counted of them."""

from companion.cases.speech.assistant import VoiceAnswer, voice_order
from companion.cases.speech.ctc import ctc_beam, ctc_greedy
from companion.cases.speech.false_accepts import false_accepts_per_hour
from companion.cases.speech.listening import (
    Heard,
    detections,
    hear,
    load_recognizer,
    load_spotter,
    spot,
    spotted,
)
from companion.cases.speech.recognizer import KEYWORDS, LABELS, SPOTTER_FRAMES, Recognizer, Spotter
from companion.cases.speech.speakers import (
    SEEN_ACCENTS,
    SEEN_VOICES,
    UNSEEN_ACCENTS,
    UNSEEN_VOICES,
    Speaker,
    draw_speaker,
)
from companion.cases.speech.word_errors import wer, word_errors

__all__ = [
    "KEYWORDS",
    "LABELS",
    "SEEN_ACCENTS",
    "SEEN_VOICES",
    "SPOTTER_FRAMES",
    "UNSEEN_ACCENTS",
    "UNSEEN_VOICES",
    "Heard",
    "Recognizer",
    "Speaker",
    "Spotter",
    "VoiceAnswer",
    "ctc_beam",
    "ctc_greedy",
    "detections",
    "draw_speaker",
    "false_accepts_per_hour",
    "hear",
    "load_recognizer",
    "load_spotter",
    "spot",
    "spotted",
    "voice_order",
    "wer",
    "word_errors",
]
