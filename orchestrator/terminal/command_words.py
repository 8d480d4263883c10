"""Commands that are typed wrongly or have another name elsewhere: what orch offers instead.

A command that stops or removes something is never offered for another word.
"""

from __future__ import annotations

from collections.abc import Collection

DESTRUCTIVE = frozenset({"down", "prune", "cancel", "rm", "drain"})

OTHER_WORDS: dict[str, str] = {
    "submit": "train run fit start launch compare benchmark sweep create new finetune",
    "rank": "screen shortlist probe knn logme select choose",
    "status": "ls list runs run-list ps jobs queue info show history experiments tasks",
    "watch": "follow monitor top progress dashboard attach",
    "logs": "log tail output stdout stderr journal",
    "report": "results result test compare-runs leaderboard plot summary score",
    "evaluate": "eval external",
    "metrics": "prometheus exporter",
    "predict": "infer inference classify prediction predictions",
    "export": "tensorboard mlflow convert onnx safetensors save",
    "resume": "continue unpause",
    "retry": "rerun redo restart",
    "verify": "fsck checksum audit",
    "models": "model networks network backbones backbone archs architectures zoo layers",
    "data": "dataset datasets inspect prepare images",
    "worker": "work agent celery",
    "workers": "nodes hosts machines devices gpus",
    "undrain": "uncordon",
    "up": "serve-workers broker",
    "doctor": "check diagnose health env install setup init config configure",
}
"""For each command, words of other programs for the same thing."""

NOTHING: dict[str, str] = {
    "remove delete del clean cleanup gc purge erase reset clear": "Nothing was removed.",
    "stop kill abort quit halt terminate exit pause shutdown": "Nothing was stopped.",
    "tune search optimize optimise hpo": "Give lists of values instead, such as "
    "'orch submit --learning-rate 0.001,0.003'.",
    "serve deploy api": "orch does not serve networks yet; 'orch predict' classifies files.",
    "download fetch pull": "'orch submit' downloads the weights that it needs.",
}
"""Words that mean something no command is offered for, and what is said instead."""

COMMAND_OF = {word: name for name, words in OTHER_WORDS.items() for word in words.split()}
SAID_OF = {word: said for words, said in NOTHING.items() for word in words.split()}


def advice(word: str, commands: Collection[str]) -> str:
    """What to say of an unknown command: the one that was meant, or all there are."""
    import difflib

    typed, known = word[:80].lower().replace("_", "-"), f"Commands: {', '.join(commands)}."
    if typed in ("help", "version"):
        return f"Did you mean 'orch --{typed}'?"
    if said := SAID_OF.get(typed):
        return f"{said} {known}"
    meant = COMMAND_OF.get(typed)
    if meant is None:
        near = difflib.get_close_matches(typed, commands, n=1, cutoff=0.6)
        meant = near[0] if near else None
    if meant in commands and meant not in DESTRUCTIVE:
        return f"Did you mean '{meant}'?"
    return known
