"""The keys of a specification: default, help text and documentation of each.

A new key is an entry in the module here that is named after what it says: `run` (what is compared),
`preparation`, `training` (the recipe), `comparison`, `execution`, `data`. Types and limits are in
`jobs/spec/model.py` and `jobs/spec/recipe.py`. Nothing here imports pydantic, so that the help
texts of commands can use it.
"""

from __future__ import annotations

from jobs.catalog.built_in_data import Weights as Weights
from jobs.spec.keys.comparison import COMPARISON_KEYS
from jobs.spec.keys.data import DATA_KEYS
from jobs.spec.keys.execution import EXECUTION_KEYS
from jobs.spec.keys.key import Key as Key
from jobs.spec.keys.preparation import NATIVE as NATIVE
from jobs.spec.keys.preparation import PREPARATION_KEYS
from jobs.spec.keys.run import RUN_KEYS
from jobs.spec.keys.training import TRAINING_KEYS
from jobs.spec.keys.training import Finetune as Finetune
from jobs.spec.keys.training import Keep as Keep
from jobs.spec.keys.training import Precision as Precision

KEYS: dict[str, Key] = {
    **RUN_KEYS,
    **PREPARATION_KEYS,
    **TRAINING_KEYS,
    **COMPARISON_KEYS,
    **EXECUTION_KEYS,
    **DATA_KEYS,
}
"""Every key, in the order of documentation and help."""

RECIPE_KEYS = (*TRAINING_KEYS, "deterministic")
"""The keys of the recipe of a trial; each may have a list of values."""

BUILT_IN_KEYS = ("image_size", "weights")
"""Keys whose default a built-in data set may change."""
