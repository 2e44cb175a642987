"""Who took what, as a sparse matrix: what every recommender here learns from."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array


def interactions(table: pd.DataFrame, users: pd.Index, items: pd.Index, *, values: str | None = None) -> csr_array:
    """A matrix of users and items: 1 where the table has the pair, or the column ``values`` there.

    Args:
        table: a row an interaction, with the columns user and item; rows of other users or items are left out.
        users: of the rows, in this order, each once.
        items: of the columns, in this order, each once.
        values: column of the table to take, such as rating; of a pair that stands there twice, the last.

    Raises:
        ValueError: for users or items that are named twice.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"user": [7, 7, 8], "item": ["a", "b", "b"]})
        >>> interactions(table, pd.Index([8, 7]), pd.Index(["a", "b"])).toarray().tolist()
        [[0.0, 1.0], [1.0, 1.0]]
    """
    if not (users.is_unique and items.is_unique):
        raise ValueError("expected every user and every item once, got one twice")
    last = table.drop_duplicates(["user", "item"], keep="last")
    row, column = users.get_indexer(last["user"]), items.get_indexer(last["item"])
    known = (row >= 0) & (column >= 0)
    entries = np.ones(len(last)) if values is None else last[values].to_numpy(float)
    return csr_array((entries[known], (row[known], column[known])), shape=(len(users), len(items)))
