"""Exact duplicates among the prepared images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def find_duplicates(manifest: pa.Table | None) -> dict[str, int] | None:
    """Exact duplicates by pixels: images, groups, and groups across splits or classes."""
    if manifest is None:
        return None
    groups: dict[str, list[tuple[str, str]]] = {}
    columns = (manifest[name].to_pylist() for name in ("pixels", "split", "label"))
    for pixels, split, label in zip(*columns, strict=True):
        groups.setdefault(pixels, []).append((split, label))
    repeated = [members for members in groups.values() if len(members) > 1]
    return {
        "images": sum(map(len, repeated)),
        "groups": len(repeated),
        "across_splits": sum(len({split for split, _ in members}) > 1 for members in repeated),
        "across_classes": sum(len({label for _, label in members}) > 1 for members in repeated),
    }
