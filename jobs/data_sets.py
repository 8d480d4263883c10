"""What the store records of a data set when it is submitted: where its images lie, and how they are prepared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import files, record
from jobs.errors import StoreUnusable
from jobs.layout import Layout

if TYPE_CHECKING:
    from jobs.folder import Source
    from jobs.spec import DataSettings


@dataclass(frozen=True, slots=True)
class Described:
    """Where a data set's images come from, its classes in their order, and how it is prepared."""

    origin: str
    classes: tuple[str, ...]
    settings: DataSettings


class DataSets(Layout):
    """The data sets of one store folder."""

    __slots__ = ()

    def save_data(self, data: str, source: Source, settings: DataSettings) -> None:
        """Record what a data set is made of; `data` names it (see `Source.data_id`)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        inventory = self.data_folder(data) / "inventory.parquet"
        if not inventory.exists():
            rows = [(e.path, e.label, e.sha256, e.bytes) for e in source.entries]
            columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
            types = [pa.string(), pa.string(), pa.string(), pa.int64()]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            with files.landing(inventory) as draft:
                pq.write_table(pa.table(arrays, ["path", "label", "sha256", "bytes"]), draft)
        described = {
            "origin": source.origin,
            "classes": list(source.classes),
            "settings": settings.model_dump(mode="json"),
        }
        if files.read_json(self.data_folder(data) / "source.json") != described:
            files.write_json(self.data_folder(data) / "source.json", described)

    def load_data(self, data: str) -> tuple[Source, DataSettings]:
        """What a data set is made of, file by file, and how it is prepared, as saved."""
        from jobs import results
        from jobs.folder import Entry, Source

        described = self.described(data)
        rows = results.table(self.data_folder(data) / "inventory.parquet", results.INVENTORY).to_pylist()
        entries = tuple(Entry(**row) for row in rows)
        return Source(described.origin, described.classes, entries), described.settings

    def described(self, data: str) -> Described:
        """The same without the inventory, which of a large data set takes a while to read."""
        from jobs import needed
        from jobs.spec import DataSettings

        path = self.data_folder(data) / "source.json"
        found = record.read(path, {"origin": str, "classes": list, "settings": dict})
        if found is None:
            raise StoreUnusable(f"the store {self.root} knows no data set '{data}'.")
        try:
            return Described(found["origin"], tuple(found["classes"]), DataSettings(**found["settings"]))
        except (TypeError, ValueError) as error:
            raise record.damaged(path, needed.told(error, DataSettings)) from None
