"""What a Python program can do with a store and runs: submit, rank, open, list.

`import orchestrator` gives `submit`, `rank`, `open_store` and the classes; `run_handle` has what
can be done with one run. The commands of `orch` do the same through the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import settings as environment
from jobs.settings import Settings
from jobs.store.store import Store
from orchestrator import stall_warning
from orchestrator.parameter_names import names_parameters
from orchestrator.run_handle import Place, RunHandle


@names_parameters
def submit(
    spec: Place | None = None,
    *,
    store: Place | None = None,
    workers: int | None = None,
    device: str | None = None,
    **keys: Any,
) -> RunHandle:
    """Submit a comparison and return its run; training goes on in workers.

    `keys` are those of a specification (docs/spec.md), such as `data`, `backbones` and `periods`;
    they override the file `spec`. `store`, `workers` and `device` are the options of `orch submit`.
    Raises a `jobs.errors.RequestError` for a bad request, and then nothing is written.
    """
    from orchestrator.submission import begin

    asked = begin.spec_of(spec, keys)
    return RunHandle(*begin.begin(asked, _watched(store), workers, device))


@names_parameters
def rank(
    spec: Place | None = None,
    *,
    store: Place | None = None,
    workers: int | None = None,
    device: str | None = None,
    skip_missing: bool = False,
    **keys: Any,
) -> RunHandle:
    """Rank networks by their frozen features (docs/rank.md), and return the run that does.

    `keys` are those of a specification that choose networks, images and their preparation, over
    those of the file `spec`, whose other keys are left out. `run.wait()`, then `run.ranking()`.
    With `skip_missing`, networks whose weights are not on this machine are left out;
    `run.spec.backbones` are the others. Raises a `jobs.errors.RequestError` for a bad request, and
    then nothing is written.
    """
    from orchestrator.submission import begin
    from orchestrator.submission import skip_missing as missing
    from orchestrator.submission.rank import rank_spec

    asked, settings = rank_spec(keys, spec), _watched(store)
    with missing.hinting(skip_missing):
        kept = missing.present(asked, settings)[0] if skip_missing else asked
        return RunHandle(*begin.begin(kept, settings, workers, device))


@names_parameters
def open_store(path: Place | None = None) -> StoreHandle:
    """The store in a folder, by default that of `ORCH_STORE`; raises `StoreUnusable`."""
    return StoreHandle(Store(_watched(path).store).open())


def _watched(store: Place | None) -> Settings:
    """The settings, whose store is watched: a program hears when it does not answer."""
    settings = environment.with_store(store)
    stall_warning.watch(settings.store)
    return settings


@dataclass(frozen=True, slots=True)
class StoreHandle:
    """The runs of a store."""

    store: Store

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.store.root

    def runs(self) -> list[RunHandle]:
        """Its readable runs, in order of submission."""
        return [RunHandle(self.store, run) for run in self.store.whole_runs(self.store.run_names())]

    def run(self, name: str | None = None) -> RunHandle:
        """The run of this name, by default the latest; raises `UnknownRun`.

        One that names an entry that this orch does not have, such as of a plugin, can be looked at,
        cancelled and removed.
        """
        from jobs.store import run_outlines

        chosen = self.store.latest_name() if name is None else name
        return RunHandle(self.store, run_outlines.run_or_outline(self.store, chosen))
