"""Memory that a step has freed is kept for the next step."""

from __future__ import annotations

import multiprocessing
import resource
import sys

import pytest

torch = pytest.importorskip("torch")

from models.runtime.malloc import keep_freed_memory  # noqa: E402

BLOCK = 16 * 2**20
PAGE = resource.getpagesize()


def faults_of_rounds(keep: bool, rounds: int) -> int:
    """Page faults for filling and freeing a large tensor that often."""
    if keep:
        keep_freed_memory()
    for _ in range(20):
        torch.ones(BLOCK, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(BLOCK, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator of glibc is set")
@pytest.mark.long
def test_a_block_that_was_freed_is_not_fetched_from_the_kernel_again() -> None:
    """Once the heap has grown, ten rounds cause hardly a page fault; without the setting each round
    causes many.
    """
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        before = pool.apply(faults_of_rounds, (False, 10))
        after = pool.apply(faults_of_rounds, (True, 10))

    assert after < BLOCK // PAGE
    assert before >= 10 * after
