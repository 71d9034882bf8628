"""Tables as people write them: read from files, and encoded as numbers."""

from skrobust.tables._cells import TableError
from skrobust.tables._encoder import TableEncoder
from skrobust.tables._read import Table, read_table

__all__ = ["Table", "TableEncoder", "TableError", "read_table"]
