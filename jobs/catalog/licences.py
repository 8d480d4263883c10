"""What is known of the licences of pretrained weights: by the library that they come from.

A licence is never guessed. Weights whose source states none are of unknown licence.
"""

from __future__ import annotations

NONE_USED = "none used"
UNKNOWN = "unknown"

OF_LIBRARY: dict[str, str] = {
    "torchvision": "torchvision states no licence of its pretrained weights; it says that terms "
    "may follow from the data that they were trained on (README, Pre-trained Model License)",
    "timm": "timm states a licence for most of its weights; each training records it",
    "entry": "the entry point's own package may state one",
    "file": "a file of one's own",
}
"""Why the licence of weights from there is unknown, or where it is stated."""
