"""What the page shows of each case: one function from a file or a text to a few lines, and perhaps a picture."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from companion import data
from companion.cases import multimodal, pictures, retrieval, scorecard, segmentation
from companion.cases.home import Home
from companion.cases.recommend import TimeTest, read_ratings, recommend, time_test
from companion.cases.speech import voice_order

_SHOWN = 5  # regions, applicants, users


@dataclass(frozen=True)
class AppAnswer:
    """What a case answers.

    Attributes:
        answer: in one line.
        rows: what it rests on, with its uncertainty: pairs of a label and a text.
        picture: a PNG, or None.
    """

    answer: str
    rows: tuple[tuple[str, str], ...]
    picture: bytes | None = None


@dataclass(frozen=True)
class App:
    """One case on the page.

    Attributes:
        title: above it.
        about: what it does, and what it is not.
        text: from what was typed to an answer; None where nothing can be typed.
        file: from a file to an answer; None where there is none to upload.
        suffixes: of the files that it takes.
        hint: an example of what can be typed.
    """

    title: str
    about: str
    text: Callable[[str], AppAnswer] | None = None
    file: Callable[[Path], AppAnswer] | None = None
    suffixes: tuple[str, ...] = ()
    hint: str = ""


@cache
def _library() -> retrieval.Library:
    return retrieval.Library.of_book()


def ask(question: str) -> AppAnswer:
    """A quotation of this book, or that it does not know."""
    found = _library().ask(question)
    fit = ("fit", f"{found.fit:.2f}; answered above {found.threshold:.2f}")
    if found.passage is None:
        return AppAnswer("I do not know.", (("why", "no page shares a word with the question"),))
    place = f"{found.passage.title}, {found.passage.heading}"
    if not found.known:
        return AppAnswer("I do not know.", (("nearest, not near enough", place), fit))
    return AppAnswer(f"“{found.quote}”", (("from", place), fit))


def voice_file(path: Path) -> AppAnswer:
    """What was heard in a recording, and what a simulated home does."""
    return _heard(data.read_sound(path))


def voice_text(order: str) -> AppAnswer:
    """The same of an order that eSpeak NG speaks first."""
    return _heard(data.Sound(data.speak(order), ()))


def _heard(sound: data.Sound) -> AppAnswer:
    found = voice_order(sound, Home())
    others = ", ".join(f"“{text}” {value:.3f}" for text, value in found.heard.others[:2])
    rows = [("heard", f"“{found.heard.text}”, probability {found.heard.probability:.3f}"), ("or", others)]
    rows += [("meant", str(found.intent) if found.intent else "no order that I know"), ("home", str(found.home))]
    notes = [("note", note) for note in found.notes]
    return AppAnswer(f"{found.reply.outcome}: {found.reply.text}", tuple(row for row in [*rows, *notes] if row[1]))


def imaging(path: Path) -> AppAnswer:
    """Regions of a slice and their kinds, or that it goes to a doctor."""
    reading = segmentation.read_image(path)
    with tempfile.TemporaryDirectory() as folder:
        segmentation.draw_reading(reading, Path(folder) / "regions.png")
        picture = (Path(folder) / "regions.png").read_bytes()
    rows = [("the slice", _shares(reading.probabilities)), *(("because", reason) for reason in reading.reasons)]
    rows += [(f"region {region.number}", _shares(region.probabilities)) for region in reading.regions[:_SHOWN]]
    return AppAnswer(f"answer: {reading.answer}" if reading.answer else "send to a doctor", tuple(rows), picture)


def _shares(probabilities: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in probabilities.items())


def picture(path: Path) -> AppAnswer:
    """Whether people made what a picture shows, and the nearest training pictures."""
    found = pictures.classify_picture(path)
    with tempfile.TemporaryDirectory() as folder:
        pictures.draw_answer(found, Path(folder) / "near.png")
        drawn = (Path(folder) / "near.png").read_bytes()
    shares = _shares(found.probabilities)
    if found.answer is None:
        why = f"distance {found.neighbors[0].distance:.2f}, answered up to {found.familiar_to:.2f}"
        rows = [("unlike every training picture", why), ("uncalibrated", shares)]
    else:
        near, other = (f"{e.estimate:.2f} ({e.low:.2f} to {e.high:.2f})" for e in (found.checked, found.elsewhere))
        rows = [("probability", shares), ("right", f"{near} of other places in its sixteen photographs")]
        rows += [("right elsewhere", f"{other} of photographs that it had not seen")]
    rows += [("note", note) for note in found.picture.notes]
    rows += [(f"near {number}", str(neighbor)) for number, neighbor in enumerate(found.neighbors, 1)]
    return AppAnswer(found.answer or "I do not know.", tuple(rows), drawn)


def score(path: Path) -> AppAnswer:
    """Points, reasons and a decision for each applicant, by the card in the package at a cost of five to one."""
    tested = scorecard.load_card()
    text = [column.name for column in tested.card.columns if column.groups is not None]
    table = scorecard.read_table(path, [column.name for column in tested.card.columns], text=text)
    decisions = scorecard.score_applicants(table, tested, cost_bad=5.0, cost_good=1.0)
    rows = []
    for number, each in enumerate(decisions[:_SHOWN], 1):
        seen = f"of similar ones {each.observed.estimate:.2f} bad ({each.observed.low:.2f} to {each.observed.high:.2f})"
        verdict = ("refuse" if each.refuse else "accept") + (", close to the threshold" if each.is_close else "")
        rows.append(
            (f"applicant {number}", f"{verdict}; {each.score} points, {seen}; lost by {'; '.join(each.reasons)}")
        )
    refused = sum(each.refuse for each in decisions)
    return AppAnswer(f"accept {len(decisions) - refused}, refuse {refused} of {len(decisions)}", tuple(rows))


def suggest(path: Path) -> AppAnswer:
    """Lists beside the most popular for the first users, and whether the model beats the most popular at all."""
    ratings = read_ratings(path)
    found = recommend(ratings, k=3)
    test = time_test(ratings) if "time" in ratings.columns else None
    over = [] if test is None else [("ever", test.over_popular), ("lately", test.over_recent)]
    rows = [
        (f"over the most popular {when}", f"NDCG@10 {gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})")
        for when, gain in over
    ]
    for each in found[:_SHOWN]:
        places = (place.item + (f" (as {' and '.join(place.because)})" if place.because else "") for place in each.list)
        rows.append((f"user {each.user}", f"{'; '.join(places)}; the most popular: {'; '.join(each.popular)}"))
    return AppAnswer(_verdict(test), tuple(rows))


def _verdict(test: TimeTest | None) -> str:
    if test is None:
        return "not tested by time: show the most popular"
    verdict = "the model wins" if test.wins else "the model is not shown to win: show the most popular, and test again"
    return f"{verdict} ({test.n_users} users tested)"


def match_words(words: str) -> AppAnswer:
    """Pictograms for words."""
    return _matched(multimodal.matcher().match(words))


def match_picture(path: Path) -> AppAnswer:
    """Pictograms for a picture, with their names."""
    return _matched(multimodal.matcher().match(picture=path))


def _matched(found: multimodal.MatchAnswer) -> AppAnswer:
    names = [(f"{each.score:.2f}", "; ".join(each.pictogram.names)) for each in found.matches]
    drawn = io.BytesIO()
    multimodal.draw_matches(found).save(drawn, format="PNG")
    rows = [("the first", multimodal.describe_tests(found)), *names]
    return AppAnswer(found.matches[0].pictogram.english, tuple(rows), drawn.getvalue())


#: The cases on the page, by the name of their command.
APPS = {
    "ask": App("Ask the book", "Answers by a quotation of this book, or says that it does not know.", text=ask,
               hint="Why must stacking use out-of-fold predictions?"),
    "voice": App("Voice", "Hears an order and obeys in a simulated home; nothing leaves this machine.", text=voice_text,
                 file=voice_file, suffixes=(".wav",), hint="turn on the kitchen light"),
    "imaging": App("Imaging", segmentation.NOTICE, file=imaging, suffixes=(".dcm", ".png", ".jpg", ".jpeg")),
    "picture": App("Picture", "Made by people or not? It learned from sixteen photographs, and says where a picture is "
                   "unlike them.", file=picture, suffixes=(".png", ".jpg", ".jpeg", ".gif", ".webp")),
    "score": App("Credit score", "Scores a CSV of applicants by the card of the book (German loans of the 1970s): for "
                 "learning, not for lending.", file=score, suffixes=(".csv",)),
    "recommend": App("Recommender", "Reads a CSV of ratings (user, item; better with rating and time): lists with "
                     "reasons beside the most popular, and whether the model beats that.",
                     file=suggest, suffixes=(".csv",)),
    "match": App("Match", multimodal.NOTICE, text=match_words, file=match_picture,
                 suffixes=(".png", ".jpg", ".jpeg", ".webp"), hint="a red car"),
}  # fmt: skip
