"""Records of people: names replaced by keyed codes, and how many share what could tell them apart."""

import hashlib
import hmac
from collections.abc import Sequence

import pandas as pd


def pseudonymize(values: pd.Series, key: bytes) -> pd.Series:
    """Each value as a code that only the key's holder can link: HMAC-SHA256, 16 bytes of it as hexadecimal.

    A plain hash is no pseudonym: names, telephone numbers and identity cards can all be tried. Nor is a pseudonymous
    table anonymous: what else it says of a person may tell who it is, which :func:`k_anonymity` counts.

    Args:
        values: text or numbers, as text; missing ones stay missing. A whole number has one code, whether it is stored
            as 7 or as 7.0, as pandas does in a column that lacks one.
        key: secret, 16 bytes or more; whoever has it can try all names.

    Raises:
        ValueError: for a short key, or one that is text.

    >>> pseudonymize(pd.Series(["Ada", "Bob", "Ada"]), b"sixteen bytes at least").nunique()
    2
    """
    if not isinstance(key, bytes):
        raise ValueError(f"expected a key of bytes, got {type(key).__name__}: secrets.token_bytes(32) makes one")
    if len(key) < 16:
        raise ValueError(f"expected a key of 16 bytes or more, got {len(key)}: secrets.token_bytes(32) makes one")
    return values.map(
        lambda value: hmac.new(key, _as_text(value).encode(), hashlib.sha256).hexdigest()[:32], na_action="ignore"
    )


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def k_anonymity(table: pd.DataFrame, quasi_identifiers: Sequence[str]) -> pd.Series:
    """Of each row, how many rows share its values in the columns that somebody may know from elsewhere.

    The least of them is the table's k (Sweeney 2002). Rows of 1 can be linked. A large k does not hide what all of a
    group have in common: if all have the same illness, it is known.

    Args:
        table: a row a person.
        quasi_identifiers: the columns; missing values count as one value.

    Raises:
        ValueError: for no column, or one that the table lacks.

    >>> table = pd.DataFrame({"zip": ["1", "1", "2"], "born": [1980, 1980, 1980]})
    >>> k_anonymity(table, ["zip", "born"]).tolist()
    [2, 2, 1]
    """
    if isinstance(quasi_identifiers, str):
        raise ValueError(f"expected a list of columns, got {quasi_identifiers!r}: pass [{quasi_identifiers!r}]")
    columns = list(quasi_identifiers)
    if not columns or (missing := [name for name in columns if name not in table]):
        raise ValueError(f"expected columns of the table, got {missing if columns else 'none'}")
    return table.groupby(columns, dropna=False)[columns[0]].transform("size").astype(int)
