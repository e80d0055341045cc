"""The results file, its upgrades, and the store of what was computed."""

from ivbench.results.files import read_results, write_csv, write_results
from ivbench.results.schema import RESULTS_VERSION, Results
from ivbench.results.store import Store
from ivbench.results.upgrade import upgrade

__all__ = ["RESULTS_VERSION", "Results", "Store", "read_results", "upgrade", "write_csv", "write_results"]
