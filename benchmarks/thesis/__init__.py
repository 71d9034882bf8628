"""Benchmarks that reproduce the thesis: ``python -m benchmarks.thesis``.

Each module but the private ones is one table or figure; ``_registry`` names them all.
"""
