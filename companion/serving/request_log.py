"""A line for each request: when, who, how long, how many tokens; never what was said."""

import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass
class Entry:
    """One request. Times are seconds since it came in; ``key`` tells keys apart without being one."""

    id: str
    key: str | None
    stream: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None
    total_s: float = 0.0
    status: int = 200
    finish: str | None = None


class RequestLog:
    """Appends entries to a file of JSON lines, each whole.

    Raises:
        OSError: where the file cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()  # what is wrong with it is said before anybody is served
        self._path, self._lock = path, threading.Lock()

    def add(self, entry: Entry) -> None:
        """Writes one line."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(entry)})
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def key_label(key: str) -> str:
    """The first eight hex digits of a key's SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]
