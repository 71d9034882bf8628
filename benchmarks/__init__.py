"""Benchmarks of skrobust: the thesis's tables, data of others, speed. The package imports none.

``thesis``, ``field`` and ``speed`` use public names of skrobust only. What they share lies here:
measured cells in a CSV file (``_results``), a run that can be stopped at any moment and goes on
(``_runner``), the command line (``_command``) and pages (``_pages``).
"""
