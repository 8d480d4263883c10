"""The keys of a specification that say how networks are trained, in the order of documentation.

Types and limits are in `jobs/spec/recipe.py`.
"""

from __future__ import annotations

from typing import Literal, get_args

from jobs.catalog import augmentations, metrics, optimisers, schedules
from jobs.spec.keys.key import Key

Precision = Literal["auto", "fp32", "bf16"]
Finetune = Literal["full", "head"]
Keep = Literal["last", "best"]

TRAINING_KEYS: dict[str, Key] = {
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
        "weight decay. Parameters of fewer than two dimensions (norms, biases) have none",
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
        "far, which has the lowest validation loss (or the best `early_stop_metric`)",
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
        "Keep the statistics and weights of pretrained batch norms.",
        "batch norms of pretrained networks keep their statistics and weights. Networks that begin "
        "with random weights train theirs",
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
        "patience in epochs: a trial stops when its validation loss (or `early_stop_metric`) has "
        "not improved for this long. Later periods are then evaluated with the network of that "
        "epoch (the last one; see `keep`)",
        metavar="PATIENCE",
        later=True,
    ),
    "early_stop_metric": Key(
        metrics.STOPPING_DEFAULT,
        str,
        "What early_stop and keep best go by: {stopping_metrics}.",
        "the metric of the validation images by which `early_stop` stops and `keep: best` keeps: "
        "{stopping_metrics_code}. The schedule `plateau` goes by the loss always",
        metavar="METRIC",
        needs="one of {stopping_metrics}",
        later=True,
    ),
}
