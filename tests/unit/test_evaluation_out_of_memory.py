"""An evaluation that runs out of memory: the same answers in smaller parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.toy_training import learner, some_data  # noqa: E402
from torch import nn  # noqa: E402

from models.training.inference import predict_split, validate  # noqa: E402


@pytest.mark.parametrize("name", ["scratch", "squeezenet", "mobilenet-v3"])
def test_an_evaluation_that_runs_out_of_memory_gives_the_same_answers_in_smaller_parts(
    name: str,
) -> None:
    """Every image once, in order; losses and predictions as before."""
    plain, small, data = learner(name), learner(name), some_data()

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        if len(given[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    small.network.register_forward_pre_hook(refuse)
    whole, parts = (list(predict_split(each, data, "validation")) for each in (plain, small))
    scores, in_parts = (torch.cat([scores for _, _, scores in found]) for found in (whole, parts))
    tested = [validate(each, data, 1, lambda done: None) for each in (plain, small)]

    assert [len(piece) for piece, _, _ in whole] == [8]
    assert [len(piece) for piece, _, _ in parts] == [2, 2, 2, 2]
    assert [index for piece, _, _ in parts for index in piece] == list(data.splits["validation"])
    assert torch.allclose(scores, in_parts, atol=1e-5)
    assert tested[0].columns == pytest.approx(tested[1].columns, rel=1e-6)


def test_another_failure_of_an_evaluation_is_not_taken_for_want_of_memory() -> None:
    """Only out of memory halves the batch; a single image that does not fit is an error."""
    some, data = learner(), some_data()

    def refuse(module: nn.Module, given: tuple[Any, ...]) -> None:
        raise (
            RuntimeError("another matter")
            if len(given[0]) > 1
            else torch.OutOfMemoryError("CUDA out of memory.")
        )

    some.network.register_forward_pre_hook(refuse)
    with pytest.raises(RuntimeError, match="another matter"):
        list(predict_split(some, data, "validation"))
    with pytest.raises(torch.OutOfMemoryError):
        list(
            predict_split(
                some,
                replace(data, splits={"validation": data.splits["validation"][:1]}),
                "validation",
            )
        )
