"""The first thing that a reader sees: what was compared, what is better, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.report.claims import Claims, Metric, Relation, differing, measured, score_of
from ivbench.report.formats import bounds, count, decimals, interval, listed, number
from ivbench.results.schema import Cell, Results

__all__ = ["Card", "Verdict", "basis", "verdict", "warnings"]

_NAMED = 3


@dataclass(frozen=True)
class Card:
    """The best cell by one metric.

    Attributes:
        label: the metric with its extractor.
        direction: `higher is better` or `lower is better`.
        value, interval: of the best cell, as text; empty where no score decides.
        cell: the best cell's label.
        claims: sentences, each supported by recorded paired differences.
    """

    label: str
    direction: str
    value: str
    interval: str
    cell: str
    claims: list[str]


@dataclass(frozen=True)
class Verdict:
    """What a reader sees first.

    Attributes:
        compared: cascade, suite, cells, prompts and runs.
        headline: what is better.
        basis: what stands behind "better"; empty where nothing could be.
        cards: one a metric.
        warnings: what comes before any number.
    """

    compared: str
    headline: list[str]
    basis: str
    cards: list[Card]
    warnings: list[str]


def verdict(results: Results) -> Verdict:
    """What the results support saying, and nothing more."""
    claims = Claims(results)
    cards = [_card(claims, metric) for metric in claims.metrics]
    return Verdict(_compared(results), _headline(claims), basis(claims.family), cards, warnings(results))


def basis(differences: int) -> str:
    """What stands behind a page's "better" and "worse", and that its intervals do not have it."""
    if not differences:
        return ""
    among = f"all {count(differences)} differences together" if differences > 1 else "the one difference"
    return (
        f"Better and worse are said at an error rate of 5 % for {among} (Holm's correction); every interval is a 95 % "
        "interval by itself, without that correction."
    )


def _compared(results: Results) -> str:
    suite = results.suite
    if results.of_folders:
        return f"{results.cascade.description}, under profile {suite.name}."
    seeds = f"seed {suite.seeds[0]}" if len(suite.seeds) == 1 else f"seeds {', '.join(map(str, suite.seeds))}"
    return (
        f"{_what(results)} on suite {suite.name}: "
        f"{_plural(len(results.cells), 'cell')} on {_plural(len(suite.prompts), 'prompt')}, "
        f"{_plural(suite.runs, 'run')} each ({seeds})."
    )


def _what(results: Results) -> str:
    """What was sampled, by its name and kind."""
    name, stages = results.cascade.name, results.cascade.stages
    kind = stages[0].kind if stages else "base"
    if kind in ("generator", "videos"):
        return f"{kind.capitalize()} {name}"
    return f"Cascade {name} ({_plural(len(stages), 'stage')})"


def _headline(claims: Claims) -> list[str]:
    """One sentence for each cell that beats every other by some metric, one for each lead that is not certain."""
    if len(claims.cells) < 2:
        return ["One cell: there is nothing to compare it with."]
    wins: dict[str, list[Metric]] = {}
    leads: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    untested: dict[str, list[str]] = {}
    lines = []
    for metric in claims.metrics:
        best, relations = claims.best(metric), claims.rivals(metric)
        if claims.apart(metric):
            lines.append(_split(claims, metric))
            continue
        if best is None:
            continue
        near = tuple(cell.label for cell, relation in relations if relation.verdict in ("tied", "worse"))
        if near:
            leads.setdefault((best.label, near), []).append(metric.label)
        elif not relations or any(relation.verdict == "untested" for _, relation in relations):
            untested.setdefault(best.label, []).append(metric.label)
        else:
            wins.setdefault(best.label, []).append(metric)
    every = len(claims.metrics)
    lines += [_win(claims, cell, found) for cell, found in wins.items()]
    for (cell, near), names in leads.items():
        lines.append(
            f"By {_metrics(names, every)}, {cell} has the best value but is not told apart from {_some(near)}."
        )
    for cell, names in untested.items():
        lines.append(f"{cell} has the best value by {_metrics(names, every)}; not all differences from it were tested.")
    return lines or ["No score decides: too few samples, or none."]


def _split(claims: Claims, metric: Metric) -> str:
    """That the cells of a metric have several protocols, so that none is the best, and how the first differ."""
    apart = claims.apart(metric)
    of_first = measured(apart[0].scores, metric)
    base = next(score for cell in claims.cells if (score := score_of(cell.scores, metric)) is not None)
    fields = "" if of_first is None else differing(base, of_first)
    names = _some([cell.label for cell in apart])
    has, are = ("has", "is") if len(apart) == 1 else ("have", "are")
    return (
        f"By {metric.label}, no cell is called the best: {names} {has} another protocol than the rest and {are} not "
        f"compared with it: {fields}."
    )


def _win(claims: Claims, cell: str, found: list[Metric]) -> str:
    """That a cell is better than every other, and by how much than the one that comes nearest."""
    names = _metrics([metric.label for metric in found], len(claims.metrics))
    nearest = [_nearest(claims, metric, len(found) > 1) for metric in found]
    return f"{cell} is better than every other cell by {names}: ahead of {listed(nearest)}."


def _nearest(claims: Claims, metric: Metric, named: bool) -> str:
    """By how much the best cell leads the one that comes nearest to it, with the difference's interval."""
    amounts = [(relation.amount or 0.0, cell, relation) for cell, relation in claims.rivals(metric)]
    _, cell, relation = min(amounts, key=lambda each: each[0])
    values = [score.value for each in claims.cells if (score := score_of(each.scores, metric)) is not None]
    said = f"{cell.label}, the next, by {_amount(relation, decimals(values))}"
    return f"{said} in {metric.label}" if named else said


def _card(claims: Claims, metric: Metric) -> Card:
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    if claims.apart(metric):
        return Card(metric.label, direction, "", "", "", [_split(claims, metric)])
    best = claims.best(metric)
    score = None if best is None else score_of(best.scores, metric)
    if best is None or score is None:
        return Card(
            metric.label, direction, "", "", "", ["Too few samples to decide: the values below are shown only."]
        )
    found = [score_of(cell.scores, metric) for cell in claims.cells]
    digits = decimals(each.value for each in found if each is not None)
    sentences = _claims(claims.rivals(metric), digits)
    value = f"{number(score.value, digits)}\N{NO-BREAK SPACE}{metric.unit}".strip("\N{NO-BREAK SPACE}")
    return Card(metric.label, direction, value, interval(score.interval, digits), best.label, sentences)


def _claims(relations: list[tuple[Cell, Relation]], digits: int) -> list[str]:
    groups: dict[str, list[tuple[Cell, Relation]]] = {"better": [], "tied": [], "worse": [], "untested": []}
    for cell, relation in relations:
        groups[relation.verdict].append((cell, relation))
    lines = []
    if len(groups["better"]) > _NAMED:
        lines.append(f"Better than {len(groups['better'])} of the {len(relations)} other cells.")
    else:
        lines += [f"Better than {cell.label} by {_amount(relation, digits)}." for cell, relation in groups["better"]]
    if groups["tied"]:
        lines.append(f"Not told apart from {_some([cell.label for cell, _ in groups['tied']])}.")
    for cell, relation in groups["worse"]:
        lines.append(f"The paired difference favours {cell.label} all the same, by {_amount(relation, digits)}.")
    if groups["untested"]:
        lines.append(f"No difference was tested from {_some([cell.label for cell, _ in groups['untested']])}.")
    return lines


def _amount(relation: Relation, digits: int) -> str:
    amount, ends = relation.amount, relation.interval
    if amount is None or ends is None:
        return ""
    low, high = ends if amount >= 0 else (-ends[1], -ends[0])
    return f"{number(abs(amount), digits)} {bounds(low, high, digits)}"


def warnings(results: Results) -> list[str]:
    """What a reader must know before any number: stopped cells, failed videos, mixed environments, notes."""
    lines = [
        f"{cell.label} has no scores: {cell.problem}" if not cell.scores else f"{cell.label}: {cell.problem}"
        for cell in results.cells
        if cell.problem
    ]
    lines += [f"{cell.label} is not complete." for cell in results.cells if not cell.complete and not cell.problem]
    if len(results.environments) > 1:
        lines.append(f"These numbers come from {len(results.environments)} environments; see below how they differ.")
    lines += _failures(results)
    return lines + list(results.notes)


def _failures(results: Results) -> list[str]:
    lines = []
    for cell in results.cells:
        failed = max((score.counts.failed for score in cell.scores), default=0)
        if failed:
            generated = max(score.counts.generated for score in cell.scores)
            lines.append(f"{cell.label}: {count(failed)} of {_plural(generated, 'video')} failed.")
    return lines


def _plural(amount: int, noun: str) -> str:
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def _metrics(names: list[str], every: int) -> str:
    return f"each of the {every} metrics" if len(names) == every > 1 else listed(names)


def _some(names: list[str] | tuple[str, ...]) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} other cells"
    return listed(list(names))
