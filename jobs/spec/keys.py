"""The keys of a specification: default, help text and documentation of each, in one place.

Types and limits are in `jobs/spec/model.py` and `jobs/spec/recipe.py`. This module does not import
pydantic, so that the help texts of commands can use it.
"""

from __future__ import annotations

from typing import get_args

from jobs.catalog import built_in_data, metrics, presets
from jobs.catalog.built_in_data import Weights as Weights
from jobs.spec.data_keys import DATA_KEYS
from jobs.spec.key import Key as Key
from jobs.spec.training_keys import TRAINING_KEYS
from jobs.spec.training_keys import Finetune as Finetune
from jobs.spec.training_keys import Keep as Keep
from jobs.spec.training_keys import Precision as Precision

NATIVE = "native"
"""As the weights of each network ask for."""


KEYS: dict[str, Key] = {
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
    "image_size": Key(
        224,
        str,
        "Width and height of the images; native: those that each network's weights ask for.",
        "width and height in pixels, or `native`: those that each network's weights ask for (224 "
        "for the catalog), the default of a run with a network outside the catalog.{built_in_sizes}"
        " {smallest_sizes}",
        metavar="PIXELS|native",
        needs="a whole number from 8 to 2,048, or 'native',",
    ),
    "resize": Key(
        NATIVE,
        str,
        "How images become squares: squash, crop or pad.",
        "how images become squares: `squash` (both sides to the same length), `crop` (the short "
        "side, then the centre), `pad` (the long side, then grey borders), or `native`: as each "
        "network's weights ask for (`squash` for the catalog)",
        choices=(NATIVE, "squash", "crop", "pad"),
        needs="one of native, squash, crop, pad",
        later=True,
    ),
    "interpolation": Key(
        NATIVE,
        str,
        "How images are resized.",
        "how images are resized: `nearest`, `bilinear`, `bicubic`, `lanczos`, or `native` "
        "(`bilinear` for the catalog)",
        choices=(NATIVE, "nearest", "bilinear", "bicubic", "lanczos"),
        needs="one of native, nearest, bilinear, bicubic, lanczos",
        later=True,
    ),
    "crop": Key(
        NATIVE,
        str,
        "Share of the resized image's side that the network gets.",
        "share of the resized image's side that is kept, above 0.1 and at most 1, or `native` "
        "(0.875 for the catalog)",
        metavar="SHARE|native",
        needs="a share above 0.1 and at most 1, or 'native',",
        later=True,
    ),
    "mean": Key(
        NATIVE,
        str,
        "Mean of red, green and blue that is subtracted.",
        "mean of red, green and blue (0 to 1) that is subtracted, such as `[0.5, 0.5, 0.5]`, or "
        "`native` (ImageNet's for the catalog)",
        metavar="R,G,B|native",
        needs="a list of three numbers from -1 to 2, such as 0.5,0.5,0.5, or 'native',",
        later=True,
    ),
    "deviation": Key(
        NATIVE,
        str,
        "Deviation of red, green and blue by which values are divided.",
        "deviation of red, green and blue by which values are then divided, or `native`",
        metavar="R,G,B|native",
        needs="a list of three numbers from 0.001 to 10, such as 0.5,0.5,0.5, or 'native',",
        later=True,
    ),
    **TRAINING_KEYS,
    "metric": Key(
        metrics.DEFAULT,
        str,
        "The metric that ranks the networks in the report: {metrics}.",
        "the metric that leads the report: it ranks the networks, and first sentence, intervals, "
        "tests and figures are of it: {metrics_code}. Another one continues the same run; see "
        "[report.md](report.md)",
        metavar="METRIC",
        needs="one of {metrics}",
        changes_run=False,
        later=True,
    ),
    "race": Key(
        False,
        bool,
        "After each period, stop networks that are significantly behind on the validation images.",
        "after each period, stop the networks that are significantly behind the best one on the "
        "validation images; test images decide nothing. `orch resume RUN --all` carries them on; "
        "see [racing.md](racing.md)",
        later=True,
    ),
    "tune": Key(
        None,
        str,
        "Train each network one period with several values of this key; the best one goes on.",
        "a key of the recipe of which each network gets its own best value: after the first period "
        "the best by validation goes on, the others stop. `learning_rate` has a ladder of its own: "
        "{ladder} times the recipe's value; other keys need a list of values; see "
        "[racing.md](racing.md)",
        metavar="KEY",
        needs="a key of the recipe, such as learning_rate,",
        later=True,
    ),
    "corruptions": Key(
        (),
        str,
        "After the last period, also evaluate on corrupted images: {corruptions}.",
        "after the last period, also evaluate every trial on corrupted images: `all`, or a list of "
        "{corruptions_code}, each at severities 1 to 5. No training is needed: adding this to an "
        "existing comparison only adds evaluations",
        metavar="all|NAME,...",
        default_shown="none",
        needs="a list of corruptions, or 'all',",
        later=True,
    ),
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
    **DATA_KEYS,
}
"""Every key, in the order of documentation and help."""

RECIPE_KEYS = (*TRAINING_KEYS, "deterministic")
"""The keys of the recipe of a trial; each may have a list of values."""

BUILT_IN_KEYS = ("image_size", "weights")
"""Keys whose default a built-in data set may change."""
