"""Reports: one self-contained HTML file, and the main table in the terminal."""

from ivbench.report.build import build, write_report
from ivbench.report.terminal import print_table

__all__ = ["build", "print_table", "write_report"]
