"""Reads a table of applicants from a CSV file: nothing in it is run, and its size is looked at first."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

#: Bytes of the largest file that is read.
MAX_BYTES = 50_000_000
#: Rows of the longest table.
MAX_ROWS = 200_000


def read_table(
    path: str | Path, columns: Iterable[str] = (), *, text: Iterable[str] = (), rows: str = "applicants"
) -> pd.DataFrame:
    """The rows of a CSV file with a header, UTF-8, a comma between fields; an empty field is a missing value.

    Args:
        path: of the file, at most 50 MB and 200,000 rows.
        columns: that it must have; more are kept.
        text: columns whose values stay text even where they look like numbers.
        rows: what they are, for the messages.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is too large, no such table, empty, has two columns of one name, or lacks columns; the text
            names them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "applicants.csv"
        >>> _ = path.write_text("months,home\\n12,own\\n,rent\\n")
        >>> read_table(path, ["months"])["months"].tolist()
        [12.0, nan]
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a CSV file of {rows}, got {path}, which is not there")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(
            f"expected a file of at most {MAX_BYTES // 10**6} MB, got {path} of {size / 1e6:.0f} MB: split it"
        )
    table = _parsed(path, dict.fromkeys(text, str))
    absent = [name for name in columns if name not in table.columns]
    if absent:
        found = ", ".join(map(str, table.columns[:25]))
        raise ValueError(f"expected the columns {', '.join(absent)} in {path} too, got only {found}")
    if len(table) == 0:
        raise ValueError(f"expected {rows} below the header of {path}, got none")
    if len(table) > MAX_ROWS:
        raise ValueError(f"expected at most {MAX_ROWS:,} rows, got more in {path}: split it")
    return table


def _parsed(path: Path, kinds: dict[str, type]) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        _check_header(path, header)
        return pd.read_csv(
            path, encoding="utf-8-sig", dtype=kinds, nrows=MAX_ROWS + 1, keep_default_na=False, na_values=[""],
            index_col=False, on_bad_lines="error", skipinitialspace=True, low_memory=False,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise ValueError(f"expected text in UTF-8, got other bytes in {path} (byte {error.start})") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        raise ValueError(
            f"expected rows with as many fields as the header, separated by commas, got {path} ({error})"
        ) from error


def _check_header(path: Path, header: list[str]) -> None:
    names = [name.strip() for name in header]
    if not names or not all(names):
        raise ValueError(f"expected a name for every column in the first line of {path}, got {names[:9]}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"expected every column of {path} once, got {', '.join(twice)} more than once")
