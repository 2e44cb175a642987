"""What a plan file says: quantities with their uncertainty, options, experiments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from companion.economics.plans.formula import Formula
from companion.toml_files import read_toml

_TAIL = float(stats.norm.ppf(0.95))
_KINDS = "a number, or one of beta = [a, b], uniform = [low, high], normal = [mean, deviation], range = [low, high]"


@dataclass(frozen=True)
class Experiment:
    """What could be done before the decision.

    Attributes:
        about: the quantity that it tells of.
        people: who are asked, each of whom says yes with the quantity as probability; None where it tells the value.
        cost: dollars, the price of waiting included.
    """

    about: str
    people: int | None
    cost: float


@dataclass(frozen=True)
class DecisionPlan:
    """Options whose payoff is not known, since quantities are not.

    Attributes:
        title: what is to be decided.
        quantities: a frozen distribution of ``scipy.stats`` by name, or a number that is known.
        options: payoff in dollars of each, as a formula of the quantities; to do nothing is always one and earns 0.
        experiments: by name.
        notes: where a quantity comes from, by its name, as the file says it.
    """

    title: str
    quantities: Mapping[str, Any]
    options: Mapping[str, Formula]
    experiments: Mapping[str, Experiment]
    notes: Mapping[str, str]

    @property
    def uncertain(self) -> list[str]:
        """The names of the quantities that are distributions."""
        return [name for name, value in self.quantities.items() if not isinstance(value, float)]

    def draws(self, n: int, seed: int = 0) -> dict[str, Float[np.ndarray, " n"]]:
        """Values of all quantities in ``n`` worlds, independent of each other."""
        rng = np.random.default_rng(seed)
        return {
            name: np.full(n, value) if isinstance(value, float) else value.rvs(n, random_state=rng)
            for name, value in self.quantities.items()
        }

    def payoffs(self, values: Mapping[str, Float[np.ndarray, " n"]]) -> Float[np.ndarray, "n options"]:
        """Dollars of each option in each world; the first one is to do nothing.

        Raises:
            ValueError: for a formula that yields no finite number somewhere.
        """
        n = len(next(iter(values.values())))
        with np.errstate(all="ignore"):
            columns = [np.broadcast_to(formula(**values), n) for formula in self.options.values()]
        table = np.stack([np.zeros(n), *columns], axis=1).astype(float)
        for name, column in zip(self.options, table.T[1:], strict=True):
            if not np.isfinite(column).all():
                raise ValueError(
                    f"expected finite dollars of the option {name!r}, got {column[~np.isfinite(column)][0]}"
                )
        return table


def read_plan(path: str | Path) -> DecisionPlan:
    """A plan from a TOML file.

    .. code-block:: toml

        title = "Search in manuals"

        [quantities]
        customers = 300
        signs = { beta = [3, 7], note = "7 of 10 pilots of others did not" }
        cost = { range = [150e3, 400e3], note = "two engineers' estimate" }  # lognormal, nine in ten in between

        [options]
        build = "customers * 24e3 * signs - cost"

        [experiments]
        "30 letters of intent" = { asks = "signs", people = 30, cost = 6e3 }
        "a week of two engineers" = { tells = "cost", cost = 8e3 }

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for a file that is no TOML, a part that is missing or unknown, a distribution that is none, a name
            that no quantity has.
    """
    content = read_toml(path, "a plan")
    known = {"title", "quantities", "options", "experiments"}
    if unknown := sorted(set(content) - known):
        raise ValueError(f"expected {', '.join(sorted(known))} in {path}, got {unknown[0]!r}")
    for part in ("quantities", "options"):
        if not isinstance(content.get(part), dict) or not content[part]:
            raise ValueError(f"expected a table [{part}] with one entry or more in {path}, got none")
    quantities = {name: _distribution(name, value) for name, value in content["quantities"].items()}
    options = {name: _formula(name, text, quantities) for name, text in content["options"].items()}
    experiments = {name: _experiment(name, what, quantities) for name, what in content.get("experiments", {}).items()}
    notes = {
        name: str(value["note"]) for name, value in content["quantities"].items()
        if isinstance(value, dict) and "note" in value
    }  # fmt: skip
    return DecisionPlan(str(content.get("title", Path(path).stem)), quantities, options, experiments, notes)


def _distribution(name: str, value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
        return float(value)
    kinds = [kind for kind in value if kind != "note"] if isinstance(value, dict) else []
    if len(kinds) != 1 or kinds[0] not in ("beta", "uniform", "normal", "range"):
        raise ValueError(f"expected {_KINDS} for the quantity {name!r}, got {value!r}")
    two = value[kinds[0]]
    is_pair = isinstance(two, list) and len(two) == 2 and all(type(x) in (int, float) and np.isfinite(x) for x in two)
    if not is_pair:
        raise ValueError(f"expected two numbers for {kinds[0]} of the quantity {name!r}, got {two!r}")
    low, high = map(float, two)
    fits = {
        "beta": low > 0 and high > 0,
        "uniform": low < high,
        "normal": high > 0,
        "range": 0 < low < high,
    }[kinds[0]]
    if not fits:
        advice = {"beta": "two positive numbers", "normal": "a positive deviation"}.get(kinds[0], "low below high")
        positive = ", both positive" if kinds[0] == "range" else ""
        raise ValueError(f"expected {advice}{positive} for {kinds[0]} of the quantity {name!r}, got {two!r}")
    match kinds[0]:
        case "beta":
            return stats.beta(low, high)
        case "uniform":
            return stats.uniform(low, high - low)
        case "normal":
            return stats.norm(low, high)
    return stats.lognorm(np.log(high / low) / (2 * _TAIL), scale=np.sqrt(low * high))


def _formula(option: str, text: Any, quantities: Mapping[str, Any]) -> Formula:
    if not isinstance(text, str):
        raise ValueError(f"expected a formula in quotes for the option {option!r}, got {text!r}")
    formula = Formula(text)
    if unknown := sorted(formula.names - set(quantities)):
        raise ValueError(f"expected quantities ({', '.join(quantities)}) in {text!r}, got {unknown[0]!r}")
    return formula


def _experiment(name: str, what: Any, quantities: Mapping[str, Any]) -> Experiment:
    kinds = [kind for kind in ("asks", "tells") if isinstance(what, dict) and kind in what]
    if len(kinds) != 1 or not set(what) <= {"asks", "tells", "people", "cost"} or "cost" not in what:
        raise ValueError(f"expected asks = …, people = …, cost = … or tells = …, cost = … for {name!r}, got {what!r}")
    about, people, cost = what[kinds[0]], what.get("people"), what["cost"]
    value = quantities.get(about) if isinstance(about, str) else None
    if value is None or isinstance(value, float):
        uncertain = ", ".join(n for n, v in quantities.items() if not isinstance(v, float)) or "none"
        raise ValueError(f"expected one of the uncertain quantities ({uncertain}) for {name!r}, got {about!r}")
    if type(cost) not in (int, float) or not 0 <= cost < np.inf:
        raise ValueError(f"expected a cost of 0 dollars or more for {name!r}, got {cost!r}")
    if kinds == ["tells"]:
        if people is not None:
            raise ValueError(f"expected people only with asks for {name!r}, got {people!r}")
        return Experiment(about, None, float(cost))
    if type(people) is not int or people < 1:
        raise ValueError(f"expected people = 1 or more for {name!r}, got {people!r}")
    if value.support()[0] < 0 or value.support()[1] > 1:
        raise ValueError(f"expected a proportion, such as beta = [3, 7], to ask people of in {name!r}, got {about!r}")
    return Experiment(about, people, float(cost))
