"""Benchmarks that reproduce the thesis: ``python -m skrobust.benchmarks``.

Each module but the private ones is one table or figure; ``_registry`` names them all.
"""

__all__: list[str] = []
