"""Schemas of the benchmarks of trained networks (`orch bench`).

`benchmarks` has a row for each network, way and batch size; counts and accuracy repeat in them.
`others_load` is how many processors other processes used meanwhile.
"""

from __future__ import annotations

import pyarrow as pa

from jobs.store.columns import NAME, WHO

_WAY = [("runtime", pa.string()), ("threads", pa.int64()), ("host", pa.string())]

BENCHMARKS: dict[str, pa.Schema] = {
    "benchmarks": pa.schema(
        [
            *WHO,
            *_WAY,
            ("device", pa.string()),
            ("processor", pa.string()),
            ("runtime_version", pa.string()),
            ("batch", pa.int64()),
            ("runs", pa.int64()),
            ("p50_ms", pa.float64()),
            ("p95_ms", pa.float64()),
            ("images_per_second", pa.float64()),
            ("peak_memory_bytes", pa.int64()),
            ("size_bytes", pa.int64()),
            ("others_load", pa.float64()),
            ("correct", pa.int64()),
            ("total", pa.int64()),
            ("float32_correct", pa.int64()),
            ("only_float32_correct", pa.int64()),
            ("only_this_correct", pa.int64()),
            ("same_answers", pa.int64()),
            ("max_score_difference", pa.float64()),
            ("calibration_images", pa.int64()),
            ("weight_bits", pa.int64()),
            ("weights_licence", pa.string()),
            ("recipe", pa.string()),
            ("evaluation_precision", pa.string()),
            ("evaluation_correct", pa.int64()),
            ("evaluation_same_answers", pa.int64()),
        ]
    ),
    "benchmark_differences": pa.schema(
        [
            *WHO,
            *_WAY,
            ("image", pa.string()),
            ("label", NAME),
            ("float32_predicted", NAME),
            ("predicted", NAME),
            ("float32_margin", pa.float64()),
            ("recipe", NAME),
        ]
    ),
}

NEVER_NULL_OF_BENCHMARKS = {
    "runtime",
    "threads",
    "batch",
    "p50_ms",
    "size_bytes",
    "float32_correct",
    "only_float32_correct",
    "only_this_correct",
    "same_answers",
}
