"""Benchmarks on data that nobody here made, beside the strongest simple peers.

What belongs here: real tables, pictures or series whose wrong rows are known or were found by
others, not planted here; sources and licences are named. Every set is measured with the defaults,
without being told the rate, beside the strongest simple method for its task, also where that wins:
a Huber regression for targets, a forest for labels, isolation forest and nearest neighbours for
anomalies.

A benchmark is added as those of the thesis are (``benchmarks/thesis``):

1. A module with ``VALUES``, ``cells`` (a :class:`benchmarks._results.Grid`), ``measure(cell,
   device)``, which returns the values of one cell, and ``render(frame)``, which prints the table.
2. An :class:`benchmarks._command.Entry` in a registry of this package, from which ``__main__``
   builds a :class:`benchmarks._command.Suite`: ``python -m benchmarks.field NAME`` then measures
   cell by cell, goes on where it was stopped, and prints the table.
3. The measured cells, committed as ``results/NAME.csv``.
"""
