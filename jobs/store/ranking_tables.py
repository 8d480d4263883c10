"""The tables of rankings: networks judged by what their pretrained features tell of the images."""

from __future__ import annotations

import pyarrow as pa

from jobs.store.columns import NAME, WHO

SCHEMAS: dict[str, pa.Schema] = {
    "rankings": pa.schema(
        [
            *WHO,
            ("images", pa.int64()),
            ("folds", pa.int64()),
            ("features", pa.int64()),
            ("neighbours", pa.int64()),
            ("probe_accuracy", pa.float64()),
            ("knn_accuracy", pa.float64()),
            ("logme", pa.float64()),
            ("feature_seconds", pa.float64()),
            ("probe_seconds", pa.float64()),
            ("device", pa.string()),
            ("recipe", pa.string()),
        ]
    ),
    "ranking_answers": pa.schema(
        [
            *WHO,
            ("image", pa.string()),
            ("label", NAME),
            ("fold", pa.int64()),
            ("group", pa.string()),
            ("predicted", NAME),
            ("knn_predicted", NAME),
        ]
    ),
}
"""A row of `rankings` for each network, and of `ranking_answers` for each image that it answered.

Both answers to an image come from the images of the other folds. `neighbours` is the k of the
nearest neighbours; `features` are values of an image. `group` names the
group that the data give an image, or the first of the images that equal it.
"""
