"""Results in the formats of other tools: one file a format, registered under the kind `export`."""

from ivbench.report.exports.base import Named, export

__all__ = ["Named", "export"]
