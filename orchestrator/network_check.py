"""Ask torch about the networks of a run, in one short-lived process."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs import errors, install_hints
from jobs.catalog import library_preparations, reference
from jobs.errors import BadSpec, MissingExtra, MissingWeights, RequestError
from jobs.spec.model import Spec
from jobs.spec.networks import Network
from jobs.spec.own_files import source_of

CHECKER, SEARCHER, DESCRIBER = (
    "models.networks.check",
    "models.networks.search",
    "models.networks.describe",
)
BEGUN = "checking "
"""The checker prints this and the label of each network to its error output."""
MAX_SECONDS = 900.0
"""Weights may have to be downloaded."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One network to check, as `models.networks.check.NetworkRequest` takes it."""

    label: str
    asked: dict[str, Any]
    source: str | None
    weights: str | None
    pretrained: bool
    local: bool
    finetune: str = "full"


def has_torch() -> bool:
    """Whether networks can be checked here."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "torchvision"))


def to_check(spec: Spec) -> list[str]:
    """The networks that only torch can check: outside the catalog, or with own weights."""
    return [
        name
        for name in spec.backbones
        if reference.outside_catalog([name]) or spec.networks.get(name, Network()).weights
    ]


def resolve(spec: Spec, classes: int, weights_dir: Path | None, local: bool) -> Spec:
    """The specification with the preparation that each network's weights ask for.

    Networks outside the catalog and own weights are checked. `local` says that this machine does
    the work: all weights have to be here then, and those of the catalog are checked too. Raises a
    `RequestError`. Without torch the run's first task checks, and preparations are those that
    `make catalog` has listed.
    """
    if not to_check(spec):
        if local:
            _refuse_unsound(spec, weights_dir)
        return spec
    _require_timm(spec.backbones)
    if not has_torch():
        return _from_table(spec)
    requests = [_request(spec, name, local) for name in spec.backbones]
    answer = _ask(requests, classes, weights_dir)
    for described in answer["refused"].values():
        raise _refusal(described)
    facts = answer["networks"]
    return spec.with_native(
        {name: Network(**network_facts) for name, network_facts in facts.items() if network_facts}
    )


def _refuse_unsound(spec: Spec, weights_dir: Path | None) -> None:
    """Raise `MissingWeights` for a file of the catalog's pretrained weights that is damaged."""
    pretrained = [name for name in spec.backbones if spec.weights_of(name) == "imagenet"]
    for reason in unsound_weights(pretrained, weights_dir).values():
        raise MissingWeights(reason)


def unsound_weights(names: Sequence[str], weights_dir: Path | None) -> dict[str, str]:
    """Why files of pretrained weights cannot be used, by backbone; none without torch."""
    if not names or not has_torch():
        return {}
    requests = [Asked(name, {}, None, None, pretrained=True, local=True) for name in names]
    refused = _ask(requests, 2, weights_dir)["refused"]
    return {name: str(described["message"]) for name, described in refused.items()}


def without_weights(names: Sequence[str], weights_dir: Path | None) -> list[str]:
    """Those of these networks whose weights are not on this machine; none without torch."""
    if not names or not has_torch():
        return []
    _require_timm(names)
    requests = [Asked(name, {}, None, None, pretrained=True, local=True) for name in names]
    refused = _ask(requests, 2, weights_dir)["refused"]
    missing = {n for n, each in refused.items() if each["failure"] == MissingWeights.failure}
    return [name for name in names if name in missing]


def _require_timm(labels: Iterable[str]) -> None:
    """Raise `MissingExtra` where torch is installed for the work, but timm is not."""
    asks = any(reference.parse(name).library == "timm" for name in labels)
    if asks and has_torch() and importlib.util.find_spec("timm") is None:
        raise MissingExtra(
            f"networks of timm need timm. Install it with: {install_hints.install_command('timm')}"
        )


def _from_table(spec: Spec) -> Spec:
    """The specification with listed preparations; raises `BadSpec` for networks without one."""
    listed = {name: each for name in spec.unprepared() if (each := _listed(spec, name))}
    resolved = spec.with_native({name: Network(**values) for name, values in listed.items()})
    if unknown := resolved.unprepared():
        raise BadSpec(
            f"how images are prepared for {', '.join(unknown)} can be asked only where torch is "
            f"installed{_near(unknown[0])}. Give image_size, resize, interpolation, crop, mean and "
            f"deviation, or install it with: {install_hints.install_command('worker')}"
        )
    return resolved


def _listed(spec: Spec, name: str) -> dict[str, Any] | None:
    """The listed preparation of a network; a file of torchvision may be of its other weights."""
    own_weights = spec.networks.get(name, Network()).weights is not None
    if own_weights and reference.parse(name).library == "torchvision":
        return None
    return library_preparations.known(name)


def _near(name: str) -> str:
    """Why the list lacks a network of a library, and the nearest that it holds."""
    library = reference.parse(name).library
    if library not in library_preparations.LIBRARIES or library_preparations.known(name):
        return ""
    near = difflib.get_close_matches(name, library_preparations.labels(), n=1, cutoff=0.8)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f" ({library} {library_preparations.versions()[library]} has none of that name{hint})"


def notes(spec: Spec) -> list[str]:
    """A note where the preparations of a specification come from the list, not from torch."""
    listed = [name for name in spec.backbones if library_preparations.known(name)]
    if has_torch() or not listed:
        return []
    versions = library_preparations.versions()
    used = dict.fromkeys(reference.parse(name).library for name in listed)
    told = " and ".join(f"{library} {versions[library]}" for library in used)
    return [
        f"torch is not installed here, so images are prepared for {', '.join(listed)} as orch's "
        f"list of {told} says, where nothing else is given. Workers should have these versions"
    ]


def _request(spec: Spec, name: str, local: bool) -> Asked:
    known = spec.networks.get(name, Network())
    return Asked(
        name,
        spec.asked_of(name),
        None if known.file is None else str(known.file),
        None if known.weights_file is None else str(known.weights_file),
        spec.weights_of(name) == "imagenet",
        local,
        "head" if "head" in spec.grid.get("finetune", [spec.finetune]) else "full",
    )


def _ask(requests: Sequence[Asked], classes: int, weights_dir: Path | None) -> dict[str, Any]:
    request = {
        "networks": [asdict(each) for each in requests],
        "classes": classes,
        "weights_dir": None if weights_dir is None else str(weights_dir),
    }
    return _answer_of(CHECKER, [], json.dumps(request))


def search(
    word: str, classes: int, image_size: int | None, weights_dir: Path | None, most: int
) -> dict[str, Any]:
    """Networks of torchvision and timm whose names hold a word (see `models.networks.search`)."""
    _require_torch("searching for networks")
    given = {"--image-size": image_size, "--weights-dir": weights_dir}
    further = [str(each) for pair in given.items() if pair[1] is not None for each in pair]
    words = [f"--classes={classes}", f"--most={most}", *further, "--", word]
    return _answer_of(SEARCHER, words, "")


def describe(given: str, classes: int, image_size: int | None) -> dict[str, Any]:
    """A network outside the catalog: preparation, costs and layers; raises a `RequestError`."""
    asked = reference.parse(given)
    if asked.path is not None:
        source_of(Path(asked.path), given)
    _require_torch("listing the layers")
    _require_timm([asked.label])
    words = [
        f"--classes={classes}",
        *([] if image_size is None else [f"--image-size={image_size}"]),
    ]
    if asked.path is not None:
        words.append(f"--source={Path(asked.path).absolute()}")
    answer = _answer_of(DESCRIBER, [*words, "--", asked.label], "")
    if "refused" in answer:
        raise _refusal(answer["refused"])
    return answer


def _require_torch(what: str) -> None:
    if not has_torch():
        raise MissingExtra(
            f"{what} needs torch. Install it with: {install_hints.install_command('worker')}"
        )


def _answer_of(module: str, words: Sequence[str], given: str) -> dict[str, Any]:
    """The JSON that a module prints in a process of its own; raises `BadSpec` if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            cwd=install_hints.HOME,  # the current folder may hold another `models`
            env=os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1"},
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadSpec(f"the networks could not be checked: {error}.") from None
    except (IndexError, ValueError):
        raise BadSpec(_why_it_died(done.returncode, done.stderr)) from None
    return answer


def _why_it_died(returncode: int, errors: str) -> str:
    """Why a checking process gave no answer, and which network it was at."""
    lines = errors.strip().splitlines()
    begun = [line.removeprefix(BEGUN) for line in lines if line.startswith(BEGUN)]
    said = [line for line in lines if not line.startswith(BEGUN)]
    how = f"exit code {returncode}"
    if returncode < 0:
        with contextlib.suppress(ValueError):  # a number that is no signal
            how = signal.Signals(-returncode).name
    reason = said[-1] if said and returncode == 1 else f"its process ended with {how}"
    return f"{begun[-1] if begun else 'the networks'} could not be checked: {reason[:300]}."


def _refusal(described: dict[str, str]) -> RequestError:
    """The error that the process named."""
    kind = getattr(errors, described["kind"], BadSpec)
    known = isinstance(kind, type) and issubclass(kind, RequestError)
    return (kind if known else BadSpec)(described["message"])
