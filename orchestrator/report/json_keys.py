"""What each key of report.json means; the file holds these texts too."""

from __future__ import annotations

SCHEMA = 1
"""The version of these keys: it grows when a key goes, or changes its meaning or type."""

KEYS = {
    "schema": "the version of these keys; keys are added under the same version",
    "keys": "a description of each key of this file",
    "run": "the run's name, when it was submitted (seconds since 1970, UTC), and the data set's "
    "name",
    "spec": "what was asked for: every option with its value",
    "answer": "the report's first sentences, what to hold against them, and the ranking they rest "
    "on: mean of `metric` after `period`; `margin` is the lead in the same unit; `alike` are "
    "the networks that it does not beat: over seeds and images, or on these images with one "
    "seed; `doubtful` when the next is one of them; `leads` when it beats every other over seeds "
    "and images; `unranked` are networks that the ranking leaves out, with their value and `why` "
    "(no result: null); `learned_nothing` has trials left out of the ranking when they are all of "
    "a network's: the class they predict most, its share of the images, their accuracy; "
    "`baselines` what chance and the commonest class reach; `settling` says how many test images, "
    "seeds or splits would show the difference to the next network that the best does not beat, by "
    "the power of these tests (shares of images; null: nothing to settle)",
    "decision": "the network to take (`choice`) under `constraints` (milliseconds and bytes; "
    "null: none), by `choice_runtime` (`torch`, `onnx` or `int8`; null: not measured), in words, "
    "and how sure that is; `candidates` has each network, best first, "
    "with the leading metric and its 95% interval over images (or splits), seconds and energy "
    "of training, latency of one image (`latency_ms`: 95 of 100 runs; `p50_ms`), size and "
    "runtime of the file, licence of the initial weights, the limits that it breaks (`fails`) "
    "or of which nothing was measured (`unknown`), and whether it is shown to be "
    "`better_than_guessing`, without which none is taken; `best` is the best that fits, `test` "
    "compares it with `rival`, the next that fits, `against_all` the best of all with it, "
    "`noninferior` others that fit with it; `closest` comes nearest where none fits, and `int8` "
    "are networks that fit with 8-bit numbers. null: nothing is tested",
    "benchmarks": "an entry for each network, runtime, number of threads and host of `orch bench`: "
    "latencies by batch size (milliseconds, peak memory of the process in bytes, processors that "
    "others used), size of the file in bytes, accuracy of the runtime and of torch in float32 on "
    "all test images, their difference with its 95% interval (Agresti and Min) and McNemar's exact "
    "p, images that only one has right, and each image that is answered otherwise with torch's "
    "margin; `evaluated` is the run's own evaluation of the same network: its precision, accuracy, "
    "and the images that torch in float32 answers otherwise (`differing`; null: not recorded)",
    "missing": "what the run asked for and is not there, in words; empty when all is done",
    "tasks": "how many tasks are in each state",
    "metric": "the metric that leads, by its name in `metrics`: ranking, `duels`, `ranks`, "
    "`lead_interval` and `cost` are of it",
    "metrics": "each metric of a tested trial: title, meaning, whether higher is better, and form "
    "(a share, 0..1, or a number)",
    "standings": "one entry for each period and network: mean, deviation (n - 1; null for one "
    "seed), n and Student's 95% interval over seeds of test accuracy, test loss (nats an image) "
    "and training time (seconds of this period's epochs alone, as in each of `trials`; `cost` has "
    "the whole; `feature_seconds` of a trial's first period come before them); `image_interval` is "
    "Wilson's 95% interval of the mean accuracy over images; `lead_interval` that of the leading "
    "metric; `metrics` has every metric by name, those of predictions for the shown periods; under "
    "`trials` each seed's counts with its Wilson 95% interval, and its metrics. With several "
    "splits `trials` have their `split_seed`, and spreads and `lead_interval` are over splits",
    "settings": "in a grid, each setting of a network that has several: mean validation accuracy "
    "and loss of the tested epochs, mean test accuracy, `metric` with its means on `validation` "
    "and `tested`, and `best` for that with the best validation value of its network. Objects with "
    "`backbone` have its `setting` here; other names of networks are `backbone, setting`",
    "decisions": "with race or tune: what each period decided (`made`, as recorded: `stopped` has "
    "the last epoch of each stopped trial, `look` the tests, `choices` the values tried), whether "
    "stopped trials were carried on, image-epochs asked for and saved, and networks that were not "
    "trained to the compared period, so that it does not rank them",
    "duels": "every two networks on the same test images after the answer's period: images that "
    "only one predicted correctly "
    "(first seed), McNemar's exact p (`method`: mcnemar; permutation where images are not right or "
    "wrong; corrected resampled t over splits, which `seeds` then counts), the same after "
    "Holm's correction, mean difference of the leading metric "
    "with its 95% bootstrap interval, and whether the data tell them apart; "
    "`seed_interval`, `p_seeds` and its Holm correction count seeds and images (null for one "
    "seed)",
    "noninferior": "with --margin (in the unit of the metric): each network against the best, how "
    "much better it is (`gain`), the one-sided 95% bound of that, the p-value that it is worse by "
    "the margin or more, the same after Holm's correction, and whether it is `shown` not to be; "
    "null: not asked",
    "ranks": "mean ranks over seeds, Friedman's statistic and p (`method`: exact, permutation or "
    "chi-squared), Nemenyi's critical difference, and groups within it; "
    "null with fewer than two seeds or three networks",
    "foretold": "where the networks were ranked (`orch rank`) on the same images: Kendall's tau-b "
    "between probe accuracy and the leading metric after `period`, with its 95% bootstrap interval "
    "over the images of both; the ranking's run, images and seconds for these networks, and each "
    "network's probe accuracy (share), value of the metric, and rank in both; fewer than five "
    "networks, or an interval with 0, show nothing",
    "classes": "for each network and class: images (each counts once), precision, recall, F1, "
    "each with its 95% interval "
    "(shares; all seeds together; precision of a class never predicted is 0)",
    "confused": "classes taken for another most often, all networks together",
    "calibration": "for each network: expected calibration error, Brier score, mean confidence, "
    "accuracy, and the bins",
    "selective": "for each network (first seed): shares of wrong answers (`risk`) among the most "
    "confident ones by the share of images answered (`coverage`), the area under that, and for "
    "each target the threshold of confidence, with what it answers of the test images; it is "
    "chosen on `choosing` images of the split `chosen_on`: validation, or test where answers to "
    "validation images are not published; `checked_`: of images that did not choose (for test: "
    "chosen on each half, counted on the other)",
    "agreement": "every two networks: share of equal predictions, Cohen's kappa, images on which "
    "both are wrong alike",
    "top5": "for each network the share of images whose true class was among its first five "
    "predictions",
    "images": "how many images each network alone predicted correctly, and those that none did, "
    "highest confidence first",
    "cost": "for each network up to the answer's period: seconds of training (mean over seeds), "
    "where only the last layer is trained with those of computing its features "
    "(`feature_seconds` of them; `features_shared`: another training or a ranking computed "
    "them), images a second, parameters, thousands of millions of multiply-adds for one image "
    "of 224 px and (`run_gmacs`) of the run's size; peak memory in bytes (`memory_of`: gpu, "
    "what torch held there; process, what was resident of it), energy of the GPU in kWh (mean "
    "over the seeds it was counted of) and the share of their epochs that it stands for; "
    "`value` is the leading metric; null: not measured",
    "stopping": "for each trial: best epoch by validation loss, gaps between validation and "
    "training loss, where overfitting starts, where early stopping would have ended it and what "
    "that would have saved",
    "corruptions": "test accuracy (share) of each network on corrupted images, by corruption and "
    "severity. Corruption errors are relative to `reference`. null: none requested",
    "other_data": "one entry for each of the other labelled data (`orch evaluate`): name, origin, "
    "data sets, images tested, classes of the run without an image (`missing`), images of unknown "
    "classes (`left_out`), tested images that are also training or validation images "
    "(`in_training`), and for each network: accuracy (share) with Wilson's 95% interval, accuracy "
    "on the own test images, drop, rank in both, and each trial's counts",
    "leaks": "suspects among the test images: how many are `tested` and suspected (`images`), why "
    "near duplicates were not looked for (`unseen`; empty where they were), `method` with its "
    "thresholds, and `pairs` of a test `image` and its `twin` in another split with the kind; "
    "`without` has standings (mean and interval of the leading metric), `margin` of the first and "
    "`duels` on the test images without the suspects; null without suspects or results. null: "
    "the data set is not prepared",
    "curves": "one entry per trial and epoch: losses in nats per image, accuracy as a share, "
    "times in seconds",
    "confusion": "one entry per network and shown period: counts[i][j] test images of class "
    "classes[i] were predicted as classes[j]; seeds are summed",
    "questions": "test images shown with the prediction of every network, and how many images "
    "all, some or no networks classified correctly",
    "trials": "one entry per trial: its description, numerics, and where it ran",
    "data": "origin, kind of source and file of labels, whether the split was given, groups, "
    "classes, images of each class by split, skipped files, exact duplicates, whether pixels exist",
    "attempts": "number of attempts by kind of task, final state and class of failure",
    "timeline": "every attempt with worker, host and device, in seconds since the first one "
    "started; faults and how many of them were survived",
    "provenance": "software and settings of the run, as recorded when it was submitted",
}
