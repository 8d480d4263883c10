"""Find out on torch's meta device how a network is built for images of a size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

Arguments = dict[str, Any]


def fitting_arguments(
    build: Callable[[Arguments], nn.Module], tried: Iterable[Arguments], image_size: int
) -> Arguments:
    """The first of these arguments with which the network takes images of this size.

    None of them (`{}`) where the network cannot run on the meta device. Raises `ValueError`, with
    the network's own reason, for a size that it cannot take.
    """
    reason = ""
    for arguments in tried:
        try:
            with torch.device("meta"), torch.inference_mode():
                network = build(arguments).eval()
                network(torch.empty(1, 3, image_size, image_size))
        except NotImplementedError:  # RegNet reads a tensor while it is built
            return {}
        except TypeError:  # the network has no such argument
            continue
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = reason or " ".join(str(error).split())
        else:
            return arguments
    raise ValueError(reason or f"images of {image_size} px do not fit")
