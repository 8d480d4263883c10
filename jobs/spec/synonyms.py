"""What other programs call the keys of a specification, and what orch has no key for yet."""

from __future__ import annotations

from collections.abc import Collection

from jobs.spec.keys import KEYS

OTHER_WORDS: dict[str, str] = {
    "data": "dataset data_dir data_path data_root dataset_path root folder train_dir csv "
    "annotations manifest label_file labels_file",
    "images": "image_dir images_dir image_root image_folder",
    "group_by": "groups group group_column group_col patient_column",
    "group_by_name": "group_regex group_pattern",
    "backbones": "model models arch architecture network net nets encoder",
    "periods": "rounds cycles",
    "epochs_per_period": "epochs epoch num_epochs n_epochs nb_epochs max_epochs train_epochs",
    "seeds": "seed random_seed random_state num_seeds n_seeds repeats repetitions",
    "weights": "pretrained init initial_weights pretrained_weights",
    "name": "run_name experiment experiment_name exp_name project",
    "image_size": "size img_size imgsz image_dim input_size resolution crop_size",
    "batch_size": "bs batch batchsize mini_batch minibatch_size train_batch_size",
    "learning_rate": "lr lr0 base_lr init_lr initial_lr max_lr eta learning_rate_init",
    "optimiser": "optimizer optim opt solver",
    "weight_decay": "wd l2 decay",
    "clip_norm": "clip_grad grad_clip gradient_clipping clip_grad_norm max_grad_norm",
    "label_smoothing": "smoothing",
    "class_weights": "class_weight balanced pos_weight weighted",
    "ema": "model_ema swa averaging",
    "keep": "save_best save_best_only keep_best",
    "schedule": "scheduler lr_scheduler lr_schedule lr_policy sched",
    "warmup_epochs": "warmup warm_up warmup_steps",
    "horizon_epochs": "t_max total_epochs",
    "plateau_patience": "lr_patience",
    "plateau_factor": "lr_factor lr_decay gamma",
    "precision": "amp fp16 bf16 half mixed_precision dtype",
    "augment": "aug augmentation augmentations transforms hflip random_flip",
    "early_stop": "early_stopping earlystopping patience",
    "early_stop_metric": "monitor stop_metric early_stopping_metric stopping_metric",
    "metric": "metrics main_metric primary_metric eval_metric",
    "corruptions": "corruption imagenet_c robustness",
    "deterministic": "reproducible cudnn_deterministic",
    "checkpoint_every": "save_every save_freq save_interval checkpoint_freq ckpt_every",
    "split": "val_split validation_split test_split train_split test_size val_size split_ratio",
    "skip_broken": "ignore_broken skip_errors skip_bad skip_corrupt",
    "requires": "resources require gpu_memory min_memory memory gpu_mem constraints",
    "value_range": "window windowing clip_values",
}
"""For each key, words of other programs for the same thing."""

NOT_YET: dict[str, str] = {
    "sampling by class": "sampler oversample oversampling undersampling balance",
    "dropout": "dropout drop drop_rate drop_path",
    "mixup or CutMix": "mix_up cut_mix cutout random_erasing reprob",
    "accumulation of gradients": "grad_accum accumulate grad_accumulation accumulation_steps",
    "freezing of layers": "freeze freeze_backbone frozen unfreeze linear_probe",
    "choice of the loss": "loss loss_fn criterion focal_loss focal",
    "cross-validation": "folds fold kfold k_fold cv cross_validation",
    "folder of test images": "test_dir val_dir valid_dir test_data val_data",
    "limit of steps": "steps max_steps iterations max_iter",
    "choice of loader processes": "num_workers n_jobs",
}
"""What orch has no key for yet, and what other programs call it."""

KEY_OF = {word: key for key, words in OTHER_WORDS.items() for word in words.split()}
MISSING = {word: feature for feature, words in NOT_YET.items() for word in words.split()}


def key_meant(word: str, among: Collection[str] = tuple(KEYS)) -> str | None:
    """The key that a word means: by what other programs call it, else by how it is written."""
    import difflib

    spelled = normal(word)
    meant = KEY_OF.get(spelled)
    if meant in among or spelled in MISSING:
        return meant
    longer = [name for name in among if len(spelled) > 2 and name.startswith(spelled)]
    if len(longer) == 1:
        return longer[0]
    near = difflib.get_close_matches(spelled, among, n=1, cutoff=0.7)
    return near[0] if near else None


def not_yet(word: str) -> str:
    """A sentence if orch has nothing yet for what the word means, else nothing."""
    feature = MISSING.get(normal(word))
    return f"orch has no {feature} yet." if feature else ""


def normal(word: str) -> str:
    """A key or an option as keys are written: `--Weight-Decay` is `weight_decay`."""
    return word[:80].lstrip("-").replace("-", "_").replace(" ", "_").casefold()
