"""Speed as ratios to plain PyTorch and to peers: ``python -m benchmarks.speed``.

Every run adds its rows to ``results.csv``; reports show the newest of each measurement. The rows of
before the history (those without a machine) name the commit that brought them.
"""
