"""Checks before anything is written: machine, store, broker, data and weights."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs import install_hints, permissions, plan
from jobs.catalog import metrics
from jobs.catalog.backbones import CATALOG
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data import sources
from jobs.data.data_source import DataSource
from jobs.errors import BadFolder, BadSpec, MissingExtra, StoreUnusable, UnknownRun
from jobs.plan import Plan
from jobs.settings import MAX_WORKERS, Settings
from jobs.spec import class_weights, networks
from jobs.spec.model import NOT_ASKED, Spec
from jobs.spec.networks import Network
from jobs.spec.setting import value_told
from jobs.store import hard_links
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator import network_check

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class Ping(Protocol):
    """Returns if the broker answers, else raises `BrokerUnreachable`."""

    def __call__(self, broker_url: str) -> None: ...


class RequireWeights(Protocol):
    """Raises `MissingWeights` if pretrained weights are not on this machine."""

    def __call__(self, names: Sequence[str], weights_dir: Path | None) -> Any: ...


class CheckNetworks(Protocol):
    """The specification with each network's preparation; raises a `RequestError`."""

    def __call__(
        self, spec: Spec, classes: int, weights_dir: Path | None, local: bool, /
    ) -> Spec: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A checked specification and the files of its data set; `known` is the run if it exists.

    The specification holds the preparation of every network.
    """

    spec: Spec
    source: DataSource
    known: Run | None


def check_request(
    spec: Spec,
    settings: Settings,
    ping: Ping,
    require_weights: RequireWeights,
    tell: Callable[[int, int], None] = lambda done, total: None,
    check_networks: CheckNetworks = network_check.resolve,
    writes: bool = True,
) -> Request:
    """Check everything about a request, cheap checks first; writes nothing.

    Weights are checked only if this machine does the work (no broker is named) and a backbone needs
    them. `check_networks` asks torch about networks that the catalog does not describe.
    `tell(done, total)` counts the files of the data folder as they are read. Without `writes`, the
    store only has to be one, if it exists, and torch may be absent. Raises a `RequestError`.
    """
    if writes:
        require_writable(settings.store)
    elif os.path.lexists((store := Store(settings.store)).marker_path):
        store.open()
    require_apart(settings.store, spec.data)
    if spec.name is not None:
        _known_run(settings.store, spec, None)
    if settings.broker_url is not None:
        ping(settings.broker_url)
    local = settings.broker_url is None and (writes or network_check.has_torch())
    source = sources.read(spec, tell)
    for weights in spec.grid.get("class_weights", [spec.class_weights]):
        class_weights.require_known(weights, source.classes)
    class_weights.require_known(spec.class_weights, source.classes)
    _require_classes(spec, source.classes)
    pretrained = [
        name for name in spec.backbones if name in CATALOG and _begins_trained(spec, name)
    ]
    if local and pretrained:
        require_weights(pretrained, settings.weights_dir)
    spec = check_networks(spec, len(source.classes), settings.weights_dir, local)
    unfolded = plan.unfold(spec, source.data_id)
    known = _known_run(settings.store, spec, unfolded)
    return Request(spec, source, known)


def _require_classes(spec: Spec, classes: Collection[str]) -> None:
    """Refuse a metric that says nothing about so few classes."""
    for key in ("metric", "early_stop_metric"):
        if short := metrics.short_of_classes(metrics.chosen(getattr(spec, key)), classes):
            raise BadSpec(f"{key}: {short}.")


def _begins_trained(spec: Spec, name: str) -> bool:
    """Whether a network begins with weights of its library."""
    own = spec.networks.get(name, Network()).weights
    return own is None and spec.weights_of(name) == "imagenet"


def require_machine(settings: Settings, workers: int | None, device: str | None) -> None:
    """Raise a `RequestError` if this machine lacks what its workers or the embedded broker need."""
    from orchestrator.local import embedded_redis

    require_workers(settings, workers, device)
    if settings.broker_url is None:
        embedded_redis.binary()
    if local_workers(settings, workers) != 0 and not network_check.has_torch():
        raise MissingExtra(
            "local workers need torch, which is not installed. Install it with: "
            f"{install_hints.install_command('worker')} (or give --no-workers and start 'orch "
            "worker' elsewhere)."
        )


def require_workers(settings: Settings, workers: int | None, device: str | None) -> None:
    """Raise a `RequestError` for a number of workers or a device that is none of this machine."""
    from workers.devices import discovery, room

    if workers is not None and not (type(workers) is int and 0 <= workers <= MAX_WORKERS):
        raise BadSpec(f"--workers {workers!r}: a whole number from 0 to {MAX_WORKERS} is needed.")
    if local_workers(settings, workers) == 0:
        return
    discovery.require_device(device)
    room.require_room(workers, device)


def local_workers(settings: Settings, workers: int | None) -> int | None:
    """Number of workers to ensure on this machine; None: the default of `stack.ensure`."""
    return 0 if workers is None and settings.broker_url is not None else workers


def threads_of_a_lone_trial(
    settings: Settings, workers: int | None, device: str | None
) -> int | None:
    """Threads for the only trial of a run: all cores where this machine's processor trains it.

    Otherwise half of them would idle, as one of two workers does. None elsewhere.
    """
    from workers.devices import discovery

    if settings.broker_url is not None or workers == 0:
        return None
    on_cpu = device == "cpu" or (device is None and not discovery.gpus())
    return discovery.available_cores() if on_cpu else None


def require_broker(broker_url: str) -> None:
    """Return when the broker answers and takes messages; raises `BrokerUnreachable`."""
    from workers.messaging.broker import require_writable

    require_writable(broker_url)


def require_writable(root: Path, *, to_remove: bool = False) -> None:
    """Raise `StoreUnusable` unless `root` is or can become a store; leaves nothing behind.

    `to_remove` is for a command that only removes: a full disk is why it is needed.
    """
    store = Store(root)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(store.marker_path)
        if os.path.lexists(store.marker_path):
            store.open()
        place = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
        if not place.is_dir():
            raise StoreUnusable(
                f"the store {root} cannot be made: {place} is not a folder. Set ORCH_STORE to "
                f"another."
            )
        with tempfile.TemporaryDirectory(prefix=".orch-probe-", dir=place) as probe:
            (Path(probe) / "file").write_bytes(b"probe")
            hard_links.require_hard_links(root, Path(probe) / "file")
    except PermissionError as error:
        raise StoreUnusable(
            f"cannot write to the store {root}: {error.strerror}. Set ORCH_STORE to a folder that "
            f"you can write to, or: {permissions.remedy(Path(error.filename or root), root)}"
        ) from None
    except OSError as error:
        if to_remove and error.errno in NO_SPACE:
            return
        raise StoreUnusable(
            f"cannot write to the store {root}: {error.strerror}. {_remedy(error.errno)}."
        ) from None


def _remedy(number: int | None) -> str:
    if number in NO_SPACE:
        return "Free some space there, such as with 'orch prune' or 'orch rm RUN'"
    if number == errno.EROFS:
        return "Make it writable"
    return "Set ORCH_STORE to a folder that you can write to"


def require_apart(root: Path, data: str) -> None:
    """Raise `BadFolder` if the store is inside the data folder."""
    if data not in BUILT_IN_DATA and Path(os.path.realpath(root)).is_relative_to(
        os.path.realpath(data)
    ):
        raise BadFolder(
            f"the store {root} lies inside the data folder {data} and would be read as a class. "
            "Set ORCH_STORE to a folder elsewhere."
        )


def _known_run(root: Path, spec: Spec, unfolded: Plan | None) -> Run | None:
    """The existing run of this name; raises `BadSpec` if its specification differs."""
    name = unfolded.run if unfolded is not None else str(spec.name)
    try:
        known = Store(root).load_run(name)
    except UnknownRun:
        return None
    there, here = (_compared(s, unfolded is not None) for s in (known.spec, spec))
    differing = [
        f"{key} {value_told(there.get(key))} there, {value_told(here.get(key))} here"
        for key in here | there
        if there.get(key) != here.get(key)
    ]
    if unfolded is not None and unfolded.data_sets != known.data_sets:
        there_named, here_named = (", ".join(s.data_sets) for s in (known, unfolded))
        differing.append(f"data {there_named} there, {here_named} here")
    if differing:
        raise BadSpec(
            f"the run '{name}' exists and asks for something else ({'; '.join(differing)}). "
            "Choose another --name, or leave it out."
        )
    return known


def _compared(spec: Spec, resolved: bool) -> dict[str, Any]:
    """The keys that identify a run; those of networks only once their weights were asked."""
    values = spec.model_dump(exclude=set(NOT_ASKED) | {"networks"})
    if resolved:
        values["networks"] = networks.named_by(spec.networks)
    return values
