"""What a specification says of its networks: references, own weights, and their preparation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from jobs.catalog.backbones import CATALOG
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.reference import parse
from jobs.catalog.suggest import unknown
from jobs.errors import BadSpec
from jobs.spec import value_errors
from jobs.spec.keys import KEYS, NATIVE
from jobs.spec.own_files import with_source, with_weights
from jobs.spec.requirements import Requires
from jobs.spec.spelling import own_name
from jobs.spec.value_lists import checked

Resize = Literal["squash", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Colour = tuple[float, float, float]
SHOWN = 80


def parse_colour(value: Any) -> Colour | None:
    """Three numbers for red, green and blue, also as `0.5,0.5,0.5`; None if it is not that."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        red, green, blue = (float(part) for part in parts if not isinstance(part, bool))
    except (TypeError, ValueError):
        return None
    return red, green, blue


def _colour(key: str, low: float, high: float) -> Any:
    """A check of each number of a colour."""

    def check(value: Any) -> Any:
        if value == NATIVE:
            raise ValueError(NATIVE)  # where it is allowed, the key's type says so
        colour = parse_colour(value)
        if colour is None or not all(low <= each <= high for each in colour):
            raise ValueError(f"{KEYS[key].needs} is needed".replace(", is", " is"))
        return colour

    return BeforeValidator(check)


Mean = Annotated[Colour, _colour("mean", -1.0, 2.0)]
Deviation = Annotated[Colour, _colour("deviation", 1e-3, 10.0)]
Size = Annotated[int, Field(ge=8, le=2048)]
Share = Annotated[float, Field(gt=0.1, le=1)]


class Preparation(BaseModel):
    """How images are prepared for a network, as its weights were trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: Size = 224
    resize: Resize = "squash"
    interpolation: Interpolation = "bilinear"
    crop: Share = 0.875
    mean: Mean = (0.485, 0.456, 0.406)
    deviation: Deviation = (0.229, 0.224, 0.225)


STUDY = Preparation()
"""The preparation of the study: squashed to 256/224 of the size, the centre, ImageNet's colours."""
PREPARATION_KEYS = tuple(Preparation.model_fields)
LATER_RECIPE_KEYS = (
    "head_learning_rate",
    "optimiser",
    "momentum",
    "weight_decay",
    "clip_norm",
    "label_smoothing",
    "freeze_batch_norm",
)
RECIPE_KEYS = ("learning_rate", "batch_size", *LATER_RECIPE_KEYS)
"""Keys of the recipe that may differ between networks; version 0.1.0 does not know the later."""


COUNTED = ("relative_cost", "parameters", "gmacs")
"""Facts that change no result, so that names do not depend on them."""


class Network(BaseModel):
    """What is known of one network of a run beyond its name; None where nothing was given.

    `source` is the SHA-256 of an own file, `weights` that of an own weights file with its suffix:
    the names of their copies in the store. `file` and `weights_file` are where they lie now, which
    is not recorded. `gmacs` are billions of multiply-adds for one image of the network's size, and
    `relative_cost` is the cost of that image in units of the catalog's at 224 px. `grid`
    holds lists of values for keys of its recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    weights: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}\.(pth|pt|safetensors)$")
    image_size: Size | None = None
    resize: Resize | None = None
    interpolation: Interpolation | None = None
    crop: Share | None = None
    mean: Mean | None = None
    deviation: Deviation | None = None
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_size: int | None = Field(default=None, ge=1, le=65536)
    head_learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    optimiser: str | None = None
    momentum: float | None = Field(default=None, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0, le=100)
    clip_norm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    freeze_batch_norm: bool | None = None
    relative_cost: float | None = Field(default=None, gt=0)
    parameters: int | None = Field(default=None, ge=0)
    gmacs: float | None = Field(default=None, ge=0)
    grid: dict[str, tuple[bool | int | float | str, ...]] = {}
    requires: Requires = None
    file: Path | None = Field(default=None, exclude=True)
    weights_file: Path | None = Field(default=None, exclude=True)

    @model_serializer(mode="wrap")
    def _recorded(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not set and which earlier versions could not read."""
        values: dict[str, Any] = dump(self)
        unset = {key for key in LATER_RECIPE_KEYS if values.get(key) is None}
        unset |= set() if self.grid else {"grid"}
        return {key: value for key, value in values.items() if key not in unset}

    @field_validator(*RECIPE_KEYS, mode="before")
    @classmethod
    def _no_truths(cls, value: Any, about: ValidationInfo) -> Any:
        """Reject booleans, which Python would accept as numbers."""
        if isinstance(value, bool) and about.field_name != "freeze_batch_norm":
            raise ValueError("a number is needed, not true or false")
        return value

    @field_validator("optimiser")
    @classmethod
    def _known_optimiser(cls, name: str | None) -> str | None:
        if name is not None and name not in OPTIMISERS:
            raise ValueError(unknown("optimiser", name, OPTIMISERS))
        return name

    @property
    def asked(self) -> dict[str, Any]:
        """The preparation that is given for this network, by key."""
        return {key: value for key in PREPARATION_KEYS if (value := getattr(self, key)) is not None}

    @property
    def given(self) -> frozenset[str]:
        """The keys of the recipe that are given for this network, lists too."""
        alone = (key for key in RECIPE_KEYS if getattr(self, key) is not None)
        return frozenset((*alone, *self.grid))

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its own files in the store."""
        return own_files(self.source, self.weights)

    def named_by(self) -> dict[str, Any]:
        """The values that names are derived from."""
        return self.model_dump(mode="json", exclude_none=True, exclude={*COUNTED, "requires"})


def own_files(source: str | None, weights: str | None) -> tuple[str, ...]:
    """The names in the store of an own file with this checksum, and of an own weights file."""
    module = None if source is None else f"{source}.py"
    return tuple(name for name in (module, weights) if name is not None)


Networks = dict[str, Network]


def named_by(networks: Networks) -> dict[str, dict[str, Any]]:
    """The values of networks that names are derived from; what they require is not among them."""
    return {
        name: each.named_by()
        for name, each in networks.items()
        if each.requires is None or each.model_copy(update={"requires": None}) != Network()
    }


def split_entries(entries: Any) -> tuple[tuple[str, ...], Networks]:
    """Labels of the backbones in a specification, and what it says of each beyond its name.

    An entry is a reference, or a mapping with `name` and keys of `Network`. Own files are read.
    """
    if entries == "all":
        return tuple(CATALOG), {}
    chosen = [entries] if isinstance(entries, (str, Mapping)) else entries
    if not isinstance(chosen, (list, tuple)):
        raise BadSpec(
            f"backbones: {KEYS['backbones'].needs} is needed (given: {str(entries)[:SHOWN]!r})."
        )
    networks: Networks = {}
    origins: dict[str, str] = {}
    for given, settings in _each(chosen):
        reference = parse(given)
        network = _network(reference.label, settings)
        if reference.path is not None:
            network = with_source(network, given, Path(reference.path))
        if networks.setdefault(reference.label, network) != network:
            other = origins[reference.label]
            raise BadSpec(
                f"backbones: '{reference.label}' is given twice with different settings or files "
                f"({other} and {given}). Results could not be told apart; compare them in two "
                "runs, or give one entry with a list, such as 'learning_rate: [0.001, 0.003]'."
            )
        origins.setdefault(reference.label, given)
    return tuple(networks), {name: each for name, each in networks.items() if each != Network()}


def needed_of_one(key: str) -> str:
    """What a key takes for one network, where `native` is what leaving it out means."""
    return str(KEYS[key].needs).replace(", or 'native',", "").replace("native, ", "")


def _each(chosen: Iterable[Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """The reference and the settings of each entry; a text may name several, with commas."""
    for entry in chosen:
        if isinstance(entry, Mapping):
            settings = dict(entry)
            name = settings.pop("name", None)
            if not isinstance(name, str):
                raise BadSpec("backbones: an entry lacks its name, such as {name: resnet34}.")
            yield name, settings
        else:
            for name in str(entry).split(","):
                yield name, {}


def _network(label: str, settings: dict[str, Any]) -> Network:
    """The checked settings of an entry."""
    known = ["weights", *PREPARATION_KEYS, *RECIPE_KEYS, "requires"]
    named = {own_name(str(key)): value for key, value in settings.items()}
    strange = next((key for key in named if key not in known), None)
    if strange is not None:
        raise BadSpec(f"backbones: {label}: {unknown('key', strange, known)}.")
    if len(named) < len(settings):
        raise BadSpec(f"backbones: {label}: two of {', '.join(settings)} are the same key.")
    settings = named
    weights = settings.pop("weights", None)
    settings = _lists_apart(label, settings)
    try:
        network = Network(**settings)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        if key in RECIPE_KEYS:
            told = value_errors.describe_errors(error, Network)
            raise BadSpec(f"backbones: {label}: {told}.") from None
        raise BadSpec(
            f"backbones: {label}: {key}: {needed_of_one(key)} is needed "
            f"(given: {str(settings[key])[:SHOWN]!r})."
        ) from None
    return network if weights is None else with_weights(network, label, weights)


def _lists_apart(label: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of an entry with its lists of several values apart; raises `BadSpec`."""
    lists = {key: settings[key] for key in RECIPE_KEYS if isinstance(settings.get(key), list)}
    try:
        several = {key: checked(key, values, Network) for key, values in lists.items()}
    except BadSpec as error:
        raise BadSpec(f"backbones: {label}: {error}") from None
    unset = next((key for key, values in several.items() if None in values), None)
    if unset is not None:
        raise BadSpec(f"backbones: {label}: {unset}: a value is needed, not none.")
    single = {key: values[0] for key, values in several.items() if len(values) == 1}
    grid = {key: values for key, values in several.items() if len(values) > 1}
    kept = {key: value for key, value in settings.items() if key not in grid}
    return kept | single | ({"grid": grid} if grid else {})
