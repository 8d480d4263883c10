"""The keys of a specification that choose and split images, in the order of documentation."""

from __future__ import annotations

from jobs.spec.keys.key import Key

DATA_KEYS: dict[str, Key] = {
    "split": Key(
        (70, 10, 20),
        int,
        "",
        "percent for training, validation, test, where the data bring no split",
        needs="a list of three percentages of at least 1 that sum to 100, such as [70, 10, 20],",
    ),
    "split_seed": Key(0, int, "", "draws the split"),
    "splits": Key(
        1,
        int,
        "Train every network on N splits of the images; the report pools them.",
        "number of splits, drawn with `split_seed`, `split_seed` + 1, ...: every network is "
        "trained on each, with every seed, and the report pools them; for small data. Not for data "
        "that bring a split; see [report.md](report.md)",
        metavar="N",
        later=True,
    ),
    "images": Key(
        None,
        str,
        "Folder that the paths of a table of labels start from.",
        "the folder that the paths of a table of labels start from",
        metavar="FOLDER",
        default_shown="that of the table",
        needs="a folder",
        changes_run=False,
    ),
    "group_by": Key(
        None,
        str,
        "Column of the table of labels whose groups are never split.",
        "a column of the table of labels, such as the patient: images with the same value are in "
        "the same split. A column `group` is used without being named",
        metavar="COLUMN",
        needs="a name of a column",
        changes_run=False,
    ),
    "group_by_name": Key(
        None,
        str,
        "Pattern that finds the group in each image's path.",
        "a regular expression that finds the group in the path of each image, such as "
        "`(p[0-9]+)_`: the part in brackets, else all that matches",
        metavar="REGEX",
        needs="a regular expression",
        changes_run=False,
    ),
    "skip_broken": Key(
        False,
        bool,
        "Skip files that are not images.",
        "leave broken files out instead of stopping",
    ),
    "value_range": Key(
        "auto",
        str,
        "Values of images beyond 8 bits that become black and white; auto: the lowest and highest "
        "of the data set.",
        "which values of images beyond 8 bits become black and white: `auto` (the lowest and "
        "highest of the data set), `full` (the whole range of each file's type) or `LOW,HIGH`; see "
        "[data.md](data.md)",
        metavar="auto|full|LOW,HIGH",
        needs="a range of values (auto, full, or LOW,HIGH such as 0,4095)",
        later=True,
    ),
    "classes_at_top": Key(
        False,
        bool,
        "Take the folders at the top as classes, whatever they look like.",
        "take the folders at the top as classes, even where their names or shape say that the "
        "class folders lie elsewhere. It changes no number and no name",
        changes_run=False,
    ),
}
