"""Command line of the thesis's tables and figures."""

from __future__ import annotations

import sys

from benchmarks._command import Suite
from benchmarks.thesis._page import build_report
from benchmarks.thesis._registry import BENCHMARKS, RESULTS
from benchmarks.thesis._thesis import ITEMS, listing


def _list_all() -> str:
    names = {item.where for item in ITEMS}
    others = [f"{name:17} {BENCHMARKS[name].what}" for name in BENCHMARKS if name not in names]
    return "\n".join([listing(), "", "Other benchmarks", *others])


main = Suite("benchmarks.thesis", BENCHMARKS, RESULTS, _list_all, build_report)

if __name__ == "__main__":
    sys.exit(main())
