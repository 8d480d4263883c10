"""Records of data sets: their sources and preparation settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import atomic
from jobs.errors import StoreUnusable
from jobs.store import codec
from jobs.store.paths import StorePaths
from jobs.store.records import DataSetRecord

if TYPE_CHECKING:
    from jobs.data.image_folder import DataSource
    from jobs.spec.model import DataSettings


@dataclass(frozen=True, slots=True)
class DataSetDescription:
    """The source of a data set, its classes in order, its settings, and its preparation."""

    origin: str
    classes: tuple[str, ...]
    settings: DataSettings
    preparation: int = 1


class DataSetStore(StorePaths):
    """The data sets of one store folder."""

    __slots__ = ()

    def save_data(self, data: str, source: DataSource, settings: DataSettings) -> None:
        """Record a data set's source; `data` is its name (see `DataSource.data_id`)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from jobs.spec.model import named_by

        inventory, path = self.inventory_path(data), self.source_path(data)
        codec.refuse_newer(DataSetRecord, path)
        if not inventory.exists():
            rows = [(e.path, e.label, e.sha256, e.bytes) for e in source.entries]
            columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
            types = [pa.string(), pa.string(), pa.string(), pa.int64()]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            with atomic.atomic_write(inventory) as draft:
                pq.write_table(pa.table(arrays, ["path", "label", "sha256", "bytes"]), draft)
        described = codec.encode(
            DataSetRecord(
                origin=source.origin,
                classes=source.classes,
                settings=named_by(settings),
                preparation=source.preparation,
            )
        )
        recorded = atomic.read_json(path)
        if not isinstance(recorded, dict) or {"format": 1, **recorded} != described:
            atomic.write_json(path, described)

    def load_data(self, data: str) -> tuple[DataSource, DataSettings]:
        """The recorded source of a data set with all its files, and its settings.

        Raises `StoreUnusable` for an unknown data set, and `DamagedFile`.
        """
        from jobs.data.image_folder import DataSource, ImageFile
        from jobs.store import tables

        described = self.described(data)
        rows = tables.read_table(self.inventory_path(data), tables.INVENTORY).to_pylist()
        entries = tuple(ImageFile(**row) for row in rows)
        source = DataSource(described.origin, described.classes, entries, described.preparation)
        return source, described.settings

    def described(self, data: str) -> DataSetDescription:
        """Like `load_data`, without the inventory, which is slow to read for a large data set."""
        from jobs.spec import value_errors
        from jobs.spec.model import DataSettings

        path = self.source_path(data)
        found = codec.read(path, DataSetRecord)
        if found is None:
            raise StoreUnusable(f"the store {self.root} has no data set '{data}'.")
        try:
            return DataSetDescription(
                found.origin, found.classes, DataSettings(**found.settings), found.preparation
            )
        except (TypeError, ValueError) as error:
            raise codec.damaged_file(
                path, value_errors.first_problem(error, DataSettings)
            ) from None
