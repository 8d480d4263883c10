"""The time and the memory that the report of a large run takes: `python benchmarks/report.py`.

7 backbones x 5 seeds x 3 periods x 12,183 test images: 1,279,215 predictions; `--periods 6` has 2.6
million. Making the store does not count. Goals: at most 20 s and 2 GiB on 2 cores. The exit code is
1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large_run import fill_store

from jobs.store.store import Store

MAX_SECONDS, MAX_GIB = 20.0, 2.0


def measure(root: Path, out: Path) -> bool:
    """Write the report and print the time of each part; whether both goals are met."""
    began, worked = time.perf_counter(), time.process_time()
    from orchestrator.analysis import analysis, run_data
    from orchestrator.report import data_tables, page, write

    write.need(write.NEEDED)
    parts, before = {}, began

    def lap(part: str) -> None:
        nonlocal before
        now = time.perf_counter()
        parts[part], before = now - before, now

    lap("imports")
    store = Store(root).open()
    read = run_data.read_run_data(store, store.latest_run())
    lap("reading the store")
    analysed = analysis.analyse(read)
    lap("statistics")
    assembled = page.assemble(read, analysed)
    lap("tables and figures")
    plain = data_tables.records(read, analysed)
    write.put(out, assembled, plain, write.FORMATS)
    lap("writing all six forms")
    total = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = sum(int((answers.predicted >= 0).sum()) for answers in read.predictions.answers.values())
    for part, seconds in parts.items():
        print(f"{part:24} {seconds:6.2f} s")
    print(
        f"{'in all':24} {total:6.2f} s ({time.process_time() - worked:.2f} s of CPU), peak "
        f"{peak:.2f} GiB, {rows:,} predictions in memory, {len(assembled.drawings)} figures"
    )
    return total <= MAX_SECONDS and peak <= MAX_GIB


def main() -> int:
    """Make the store, then measure in a process of its own on two cores; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--periods", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10, help="epochs a period")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return 0 if measure(options.measure / "store", options.measure / "out") else 1
    root = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    try:
        began = time.perf_counter()
        fill_store(root / "store", options.seeds, options.periods, options.epochs)
        print(f"(store made in {time.perf_counter() - began:.0f} s)", flush=True)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        return subprocess.run([sys.executable, __file__, "--measure", str(root)]).returncode
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
