"""Measured error rates as rows of a table, and as the page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from ivbench.check.error_rates import PAIRS_OF_A_SET, PAIRS_OF_MEANS, ErrorRates, MetricRates, Rate

__all__ = ["error_rates_page", "rate_rows"]

_PAGE = """\
# How often compare and check are wrong

This page is written by

```sh
ivbench error-rates --markdown docs/error-rates.md
```

which samples the suite `error-rates` ({cascade}: {videos}, in two cells: "{unchanged}" and "{worse}"),
and {trials:,} times for each row (of means without a change {of_means:,} times) draws results files from these videos:
prompts with replacement, and of every prompt other videos for each file, {runs} of them. They are scored, compared and
judged by the functions of the commands.
In brackets: the exact 95 % interval of a measured rate; of {count} such intervals one in twenty misses by chance.
Those that do are listed. How the intervals are made stands in [statistics](design/statistics.md).

## Without a change

Files differ in their seeds alone. "Check" is a gate of one metric with a margin of nearly 0, so that every significant
loss is a regression: nominal 5 %, one-sided. "Compare" is "better" or "worse" in its table: nominal 5 %, two-sided.

{alarms}

All metrics in one gate (Bonferroni) should raise an alarm at most 5 times in 100. A re-run under the gate that
`check --init` measured on another should pass at least 95 times in 100.

{gates}

{alarms_off}

## With a loss

The new videos lie on the way from those of the first cell to those of the second, each from its own prompt and noise,
so far that the mean loss is the difference that `compare` states as detectable. It should say "worse" 80 times in 100.
Intervals of Frechet metrics hold the prompts fixed, so there each of {sets} sets of prompts has a loss of its own: how
far the same change moves a Frechet distance differs between sets of prompts by more than its noise.

{power}

{power_off}

Where the loss is smaller than what is detectable, even the second cell isn't so much worse.
"""


def rate_rows(rates: Sequence[ErrorRates]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row a number of prompts and metric; the last rows of each number are of all metrics together."""
    columns = ["prompts, metric", "nominal", "check", "compare", "detectable", "loss", "found"]
    rows = []
    for one in rates:
        rows += [
            [
                f"{one.prompts}, {row.label}",
                _nominal(row.alarms),
                _rate(row.alarms),
                _rate(row.differences),
                *_power(row),
            ]
            for row in one.metrics
        ]
        for name, rate in (("all in one gate", one.together), ("a re-run passes", one.passes)):
            rows.append([f"{one.prompts}, {name}", _nominal(rate), _rate(rate), "", "", "", ""])
    return columns, rows


def error_rates_page(rates: Sequence[ErrorRates], cascade: str, videos: str, cells: Sequence[str]) -> str:
    """The page of the documentation, in markdown.

    Args:
        rates: at least one number of prompts.
        cascade: its name.
        videos: how many stand behind the rates, in words.
        cells: labels of the unchanged and of the worse cell.
    """
    metrics = [(one, row) for one in rates for row in one.metrics]
    alarms = [[f"{one.prompts}", row.label, _rate(row.alarms), _rate(row.differences)] for one, row in metrics]
    power = [[f"{one.prompts}", row.label, *_power(row)] for one, row in metrics]
    gates = [[f"{one.prompts}", _rate(one.together), _rate(one.passes)] for one in rates]
    return _PAGE.format(
        cascade=cascade,
        videos=videos,
        unchanged=cells[0],
        worse=cells[1],
        trials=rates[0].together.trials,
        of_means=PAIRS_OF_MEANS * rates[0].together.trials,
        runs=rates[0].runs,
        sets=-(-rates[0].together.trials // PAIRS_OF_A_SET),
        count=3 * len(metrics) + 2 * len(rates),
        alarms=_table(["prompts", "metric", "check", "compare"], alarms),
        alarms_off=_off([*_alarms(metrics), *_gates(rates)]),
        power_off=_off([(f"{one.prompts} prompts, {row.label}", row.found) for one, row in metrics]),
        gates=_table(["prompts", "false alarms", "a re-run passes"], gates),
        power=_table(["prompts", "metric", "detectable", "loss", "found"], power),
    )


Named = tuple[str, Rate]


def _alarms(metrics: Sequence[tuple[ErrorRates, MetricRates]]) -> list[Named]:
    return [
        (f"{one.prompts} prompts, {row.label}, {name}", rate)
        for one, row in metrics
        for name, rate in (("check", row.alarms), ("compare", row.differences))
    ]


def _gates(rates: Sequence[ErrorRates]) -> list[Named]:
    return [
        (f"{one.prompts} prompts, {name}", rate)
        for one in rates
        for name, rate in (("all in one gate", one.together), ("a re-run passes", one.passes))
    ]


def _off(rates: Sequence[Named]) -> str:
    """The rates whose interval does not cover what is promised, and on which side they lie."""
    off = [(name, rate) for name, rate in rates if not rate.covers()]
    if not off:
        return "Every interval covers the promised rate."
    lines = (
        f"- {name}: {_rate(rate)}, {'below' if rate.value < rate.nominal else 'above'} {_nominal(rate)}"
        for name, rate in off
    )
    return "\n".join(["These intervals do not cover the promised rate:", "", *lines])


def _power(row: MetricRates) -> list[str]:
    return [f"{row.stated:.3g}", f"{row.loss:.3g}", _rate(row.found)]


def _nominal(rate: Rate) -> str:
    return f"{100 * rate.nominal:.3g} %"


def _rate(rate: Rate) -> str:
    low, high = rate.interval()
    return f"{100 * rate.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *rows])
