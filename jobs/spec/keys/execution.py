"""The keys of a specification that say how tasks run, in the order of documentation."""

from __future__ import annotations

from jobs.spec.keys.key import Key

EXECUTION_KEYS: dict[str, Key] = {
    "deterministic": Key(
        False,
        bool,
        "On a GPU, use only deterministic operations; slower.",
        "on a GPU, use only operations that give the same bits every time; this is slower. On a "
        "CPU they always do",
        later=True,
    ),
    "checkpoint_every": Key(
        "5m",
        str,
        "Time between two checkpoints within an epoch.",
        "time between two checkpoints within an epoch, so that a kill loses only minutes: `90s`, "
        "`10m`, `1h`. `never` or `0`: checkpoints only at the end of an epoch",
        metavar="TIME|never",
        needs="a length of time, such as 30s or 5m, or 'never',",
        changes_run=False,
    ),
    "requires": Key(
        None,
        str,
        "Memory that a worker's GPU must have, such as gpu_memory=20GB.",
        "what a worker's device must have to take tasks of the run's networks: "
        "`{{gpu_memory: 20GB}}`. "
        "A network may have its own in its entry of `backbones`. It changes no number and no name; "
        "see [cluster.md](cluster.md)",
        metavar="gpu_memory=SIZE",
        default_shown="none",
        needs="a size of GPU memory, such as gpu_memory: 20GB,",
        changes_run=False,
        later=True,
    ),
}
