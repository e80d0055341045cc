"""Contract checks for authors of adapters."""

from ivbench.testing.adapter import AdapterError, check_adapter

__all__ = ["AdapterError", "check_adapter"]
