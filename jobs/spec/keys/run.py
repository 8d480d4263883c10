"""The keys of a specification that say what a run compares, in the order of documentation."""

from __future__ import annotations

from typing import get_args

from jobs.catalog import built_in_data, presets
from jobs.catalog.built_in_data import Weights
from jobs.spec.keys.key import Key

RUN_KEYS: dict[str, Key] = {
    "data": Key(
        built_in_data.DEFAULT,
        str,
        "A folder with one folder per class (or train, val and test with them), a table of labels, "
        "or the built-in data set.",
        "a folder of class folders, or of `train`, `val` and `test` with class folders in them; a "
        "table of labels (`.csv`, `.tsv`, `.jsonl`, `.parquet`); a folder with `metadata.csv`; or "
        "{built_in_code}; see [data.md](data.md)",
        metavar="FOLDER|TABLE|{built_in}",
        needs="a folder with one folder per class, a table of labels, or {built_in_quoted},",
        changes_run=False,
    ),
    "backbones": Key(
        None,
        str,
        "Backbones to compare; repeatable.",
        "`all`, or a list of networks: names from `orch models`, `torchvision:NAME`, `timm:NAME`, "
        "`FILE.py:FUNCTION`, `entry:NAME`, or mappings with `name`, `weights` (a file), "
        "keys of preparation, and of the recipe `learning_rate`, `head_learning_rate`, "
        "`batch_size`, `optimiser`, `momentum`, `weight_decay`, `clip_norm`, `label_smoothing` and "
        "`freeze_batch_norm`; see [backbones.md](backbones.md). "
        "`all_backbones: true` means `all`",
        metavar="NAME,...",
        default_documented="none, required",
        needs="a list of backbone names, or 'all',",
    ),
    "preset": Key(
        presets.DEFAULT,
        str,
        "Settings of a recipe under one name: {presets}. See 'orch presets'.",
        "settings under one name, which other keys override: {preset_meanings} `orch presets` "
        "lists what each sets",
        metavar="NAME",
        needs="one of {presets}",
        changes_run=False,
        later=True,
    ),
    "periods": Key(
        3,
        int,
        "Number of training periods; each ends with an evaluation.",
        "number of training periods; each ends with an evaluation on the test images",
    ),
    "epochs_per_period": Key(10, int, "Epochs in each period.", "epochs in each period"),
    "seeds": Key(
        1,
        int,
        "Train each backbone N times, with seeds 0 to N-1.",
        "number of seeds; each backbone is trained once per seed: 0, 1, ...",
        metavar="N",
    ),
    "weights": Key(
        "imagenet",
        str,
        "Initial weights; none: random.",
        "initial weights: `imagenet` or `none` (random).{built_in_weights} {untrained} always "
        "starts from random weights",
        choices=get_args(Weights),
    ),
    "name": Key(
        None,
        str,
        "Name of the run.",
        "the run's name; letters, digits, `.`, `_`, `-`",
        metavar="NAME",
        default_shown="made from data, periods and a hash",
        default_documented="made from the specification",
        needs="a text (in quotation marks if it looks like a number)",
        changes_run=False,
    ),
}
