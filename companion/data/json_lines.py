"""JSON lines: an object a line, each with the place where it stands, so that what is wrong with it can be named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def json_lines(path: str | Path) -> Iterator[tuple[str, Record]]:
    """The objects of a file, one a line, each behind its place as ``file:line``; empty lines are passed over.

    Args:
        path: a UTF-8 file, which may be larger than memory.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: while it is read: where the file is not UTF-8, or a line no JSON object.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.jsonl"
        >>> _ = path.write_text('{"prompt": "2 + 2?", "answer": "4"}\\n')
        >>> [record["answer"] for place, record in json_lines(path)]
        ['4']
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file of JSON lines in {path}, got no such file")
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = decoded(line, start, str(path)).strip()
            start += len(line)
            if text:
                yield f"{path}:{number}", _record(text, f"{path}:{number}")


def decoded(block: bytes, start: int, name: str) -> str:
    """The text of a block of bytes that stands at byte ``start`` of the file ``name``; a byte order mark is no text.

    Raises:
        ValueError: where it is not UTF-8, naming the byte.
    """
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        got = f"0x{block[error.start]:02x} at byte {start + error.start}"
        raise ValueError(f"expected UTF-8 text in {name}, got {got}: convert the file, or take it out") from error
    return text.removeprefix("\ufeff") if start == 0 else text


def texts_of(record: Record, place: str, *fields: str) -> list[str]:
    """The texts that stand in these fields of a record.

    Raises:
        ValueError: where one of them is missing, is no text, or holds half of a surrogate pair.
    """
    for field in fields:
        value = record.get(field)
        if not isinstance(value, str):
            got = f"an object with {', '.join(map(repr, record)) or 'nothing'}"
            raise ValueError(f"expected a JSON object with text in its field {field!r} in {place}, got {got}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"expected Unicode text in {place}, got half a surrogate pair ({error})") from error
    return [record[field] for field in fields]


def _record(text: str, place: str) -> Record:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a JSON object in {place}, got something else ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object in {place}, got none: {type(record).__name__}")
    return record
