"""``python -m companion voice``: what was heard in recordings, what it means, and what a simulated home then does."""

import argparse

from companion import data
from companion.cases.home import Home
from companion.cases.speech import VoiceAnswer, voice_order
from companion.commands.options import reader


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "recordings", nargs="*", metavar="WAV", help="orders, one a file, obeyed one after the other by the same home"
    )
    said = 'speak this first, by eSpeak NG, and listen to it after the files: --say "unlock the front door" --say yes'
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help=said)
    for name, kind, default, text in (
        ("voice", str, "m4", "who speaks: m1 to m8, f1 to f5, Annie, linda and others (default: m4)"),
        ("accent", str, "en-us", f"one of {', '.join(data.ACCENTS)} (default: en-us)"),
        ("rate", int, 160, "words a minute of --say (default: 160)"),
    ):
        flag, metavar = f"--{name}", {int: "N", str: "NAME"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Listens to each recording in turn; the home's state goes from one to the next."""
    if not options.recordings and not options.say:
        raise ValueError('expected a WAV file or --say "an order", got neither')
    sounds = [data.read_sound(path) for path in options.recordings]
    sounds += [_spoken(text, options) for text in options.say]
    home = Home()
    for name, sound in zip([*options.recordings, *(f'"{text}"' for text in options.say)], sounds, strict=True):
        answer = voice_order(sound, home)
        _show(name, answer)
        home = answer.home


def _spoken(text: str, options: argparse.Namespace) -> data.Sound:
    spoken = data.speak(text, voice=options.voice, accent=options.accent, rate=options.rate)
    return data.Sound(spoken, ())


def _show(name: str, answer: VoiceAnswer) -> None:
    heard, others = answer.heard, ", ".join(f'"{text}" {value:.3f}' for text, value in answer.heard.others[:2])
    print(name)
    for what, text in (
        ("heard", f'"{heard.text}", probability {heard.probability:.3f}' + (f"; else {others}" if others else "")),
        ("meant", str(answer.intent) if answer.intent else "no order that I know"),
        ("reply", f"{answer.reply.outcome}: {answer.reply.text}"),
        ("home", str(answer.home)),
        *(("note", note) for note in answer.notes),
    ):
        print(f"  {what:<6}{text}")
