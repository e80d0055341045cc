"""Reports: one self-contained HTML file of one run or of several, and the main table in the terminal."""

from ivbench.report.build import build, build_index, build_runs, write_index, write_report, write_runs
from ivbench.report.runs import Against, Change, corrected
from ivbench.report.sources import Source, short_names
from ivbench.report.terminal import print_table

__all__ = [
    "Against",
    "Change",
    "Source",
    "build",
    "build_index",
    "build_runs",
    "corrected",
    "print_table",
    "short_names",
    "write_index",
    "write_report",
    "write_runs",
]
