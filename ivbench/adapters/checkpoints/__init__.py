"""Other projects' checkpoints into native cascades, and back: names, EMA, layouts, and the audit of every tensor.

Nothing is guessed: names and axes are changed by the card's key map alone.
"""

from ivbench.adapters.checkpoints.audit import Audit, AuditError
from ivbench.adapters.checkpoints.exporting import export_cascade
from ivbench.adapters.checkpoints.importing import Imported, import_cascade

__all__ = ["Audit", "AuditError", "Imported", "export_cascade", "import_cascade"]
