"""The keys of a specification: default, help text and documentation of each, in one place.

Types and limits are in `jobs/spec/model.py` and `jobs/spec/recipe.py`. This module does not import
pydantic, so that the help texts of commands can use it.
"""

from __future__ import annotations

from typing import Literal, get_args

from jobs.catalog import augmentations, built_in_data, optimisers, presets, schedules
from jobs.catalog.built_in_data import Weights as Weights
from jobs.spec.data_fields import DATA_KEYS
from jobs.spec.key import Key as Key

Precision = Literal["auto", "fp32", "bf16"]
Finetune = Literal["full", "head"]
Keep = Literal["last", "best"]
NATIVE = "native"
"""As the weights of each network ask for."""


KEYS: dict[str, Key] = {
    "data": Key(
        built_in_data.DEFAULT,
        str,
        "A folder with one folder per class (or train, val and test with them), a table of labels, "
        "or the built-in data set.",
        "a folder of class folders, or of `train`, `val` and `test` with class folders in them; a "
        "table of labels (`.csv`, `.tsv`, `.parquet`); a folder with `metadata.csv`; or "
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
        "`learning_rate`, `batch_size` and keys of preparation; see [backbones.md](backbones.md). "
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
    "batch_size": Key(
        32,
        int,
        "Images per training step.",
        "images per training step",
        needs="a whole number from 1 to 65,536",
    ),
    "learning_rate": Key(
        0.001,
        float,
        "Initial learning rate of {optimiser_titles}; reduced on a plateau.",
        "initial learning rate of {optimiser_titles}",
        needs="a number above 0",
    ),
    "momentum": Key(0.9, float, "", "momentum of {with_momentum}"),
    "optimiser": Key(
        optimisers.DEFAULT,
        str,
        "How weights change at each step: {optimisers}.",
        "how weights change at each step: {optimisers_code}. `optimizer` is the same key",
        metavar="NAME",
        needs="one of {optimisers}",
        later=True,
    ),
    "weight_decay": Key(
        0.0,
        float,
        "Weight decay; norms and biases have none.",
        "weight decay. Norms and biases have none: parameters of fewer than two dimensions",
        metavar="DECAY",
        later=True,
    ),
    "clip_norm": Key(
        None,
        float,
        "Largest norm of the gradients of a step; longer ones are scaled down.",
        "largest norm of all gradients of a step together; longer ones are scaled down to it. "
        "`null`: no limit",
        metavar="NORM",
        later=True,
    ),
    "label_smoothing": Key(
        0.0,
        float,
        "Share of each training label that is spread over all classes, such as 0.1.",
        "share of each training label that is spread evenly over all classes, such as 0.1. The "
        "validation loss is without it",
        metavar="SHARE",
        later=True,
    ),
    "class_weights": Key(
        "none",
        str,
        "Weights of the classes in the loss; balanced: inverse to their training images.",
        "weights of the classes in the loss of training: `none`, `balanced` (inverse to the number "
        "of training images, with a mean of 1), or a mapping of classes to weights above 0, such "
        "as `{{cat: 2}}`; the others have 1. The validation loss is without them",
        metavar="none|balanced|CLASS=WEIGHT,...",
        needs="one of none, balanced, or classes with weights above 0, such as cat=2,dog=1,",
        later=True,
    ),
    "ema": Key(
        None,
        float,
        "Validate and test the average of the network over its steps; the decay, such as 0.999.",
        "decay of an average of the network over its steps, such as 0.999; the average is "
        "validated, tested and kept. It is lower in the first steps: (1 + steps) / (10 + steps). "
        "`null`: the network itself",
        metavar="DECAY",
        later=True,
    ),
    "keep": Key(
        "last",
        str,
        "The network that each period tests: of the last epoch, or of the best by validation loss.",
        "the network that each period tests: that of the `last` epoch, or of the `best` epoch so "
        "far, which has the lowest validation loss",
        choices=get_args(Keep),
        later=True,
    ),
    "schedule": Key(
        schedules.DEFAULT,
        str,
        "How the learning rate changes after each epoch: {schedules}.",
        "how the learning rate changes after each epoch: {schedules_code}. `plateau` multiplies it "
        "when the validation loss no longer improves",
        metavar="NAME",
        needs="one of {schedules}",
        later=True,
    ),
    "warmup_epochs": Key(
        0,
        int,
        "Epochs in which the learning rate grows to its full value.",
        "epochs in which the learning rate grows linearly to its full value, before the schedule "
        "begins: with 3, they have 1/4, 2/4 and 3/4 of it",
        metavar="N",
        later=True,
    ),
    "horizon_epochs": Key(
        None,
        int,
        "Epochs after which the schedule cosine reaches 0.",
        "epochs after which `cosine` reaches 0, warm-up included; at least those of all periods, "
        "which `null` means. It is part of the names of trials, so more periods than that make "
        "other trials",
        metavar="N",
        default_shown="those of all periods",
        later=True,
    ),
    "plateau_patience": Key(
        2,
        int,
        "",
        "epochs without a lower validation loss before the learning rate is reduced",
    ),
    "plateau_factor": Key(0.1, float, "", "factor by which the learning rate is then multiplied"),
    "precision": Key(
        "auto",
        str,
        "Precision of training; auto: bf16 where the hardware supports it.",
        "`fp32`, `bf16`, or `auto`: bf16 if the hardware of the trial's first attempt supports it",
        choices=get_args(Precision),
    ),
    "augment": Key(
        augmentations.DEFAULT,
        str,
        "Change training images at random: {augmentations}.",
        "how training images are changed at random. {augmentation_meanings} The random numbers are "
        "derived from (seed, epoch, image), so an interrupted trial continues with the same ones. "
        "Validation and test images are not changed; see [recipes.md](recipes.md)",
        choices=tuple(augmentations.AUGMENTATIONS),
        needs="one of {augmentations}",
        later=True,
    ),
    "mixup": Key(
        0.0,
        float,
        "Mix each training image with another; the strength, such as 0.2.",
        "blend each training image, and its label, with another of its batch: alpha of the Beta "
        "distribution that draws the share, such as 0.2. 0: off",
        metavar="ALPHA",
        later=True,
    ),
    "cutmix": Key(
        0.0,
        float,
        "Paste a part of another image into each training image; the strength, such as 1.",
        "paste a rectangle of another image of the batch into each training image, and mix their "
        "labels by area: alpha of the Beta distribution, such as 1. With `mixup` too, each step "
        "uses one of both. 0: off",
        metavar="ALPHA",
        later=True,
    ),
    "finetune": Key(
        "full",
        str,
        "Train all layers, or only the head on features that are computed once.",
        "`full`: train all layers. `head`: train only the last layer. The features of the training "
        "and validation images are then computed once and kept in the store; see "
        "[recipes.md](recipes.md)",
        choices=get_args(Finetune),
        later=True,
    ),
    "freeze_batch_norm": Key(
        False,
        bool,
        "Keep the statistics and weights of batch norms as pretrained.",
        "batch norms keep the statistics and weights that they begin with",
        later=True,
    ),
    "head_learning_rate": Key(
        None,
        float,
        "Learning rate of the last layer, if it differs.",
        "learning rate of the last layer, which begins with random values. `null`: that of all "
        "layers",
        metavar="RATE",
        later=True,
    ),
    "early_stop": Key(
        None,
        int,
        "Stop a training when its validation loss has not improved for this many epochs.",
        "patience in epochs: a trial stops when its validation loss has not improved for this "
        "long. Later periods are then evaluated with the network of that epoch (the last one; see "
        "`keep`)",
        metavar="PATIENCE",
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
    **DATA_KEYS,
}
"""Every key, in the order of documentation and help."""

BUILT_IN_KEYS = ("image_size", "weights")
"""Keys whose default a built-in data set may change."""
