"""Write histories as TensorBoard event files, with its own writer; needs no tensorflow or torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.export_results.history import TrialHistory

EVENTS = "events.out.tfevents.*"


def write(histories: Sequence[TrialHistory], out: Path) -> None:
    """A folder per trial in `out`, with scalars and settings; earlier exports there are replaced.

    TensorBoard stores single precision.
    """
    for history in histories:
        folder = out / history.trial
        folder.mkdir(parents=True, exist_ok=True)
        before = list(folder.glob(EVENTS))
        _write(history, folder)
        for path in before:
            path.unlink(missing_ok=True)


def _write(history: TrialHistory, folder: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2 as hparams
    from tensorboard.plugins.scalar import summary_v2 as scalars
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    settings = hparams.hparams_pb(
        history.settings, trial_id=history.trial, start_time_secs=history.began
    )
    writer.add_event(Event(wall_time=history.began, step=0, summary=settings))
    for point in history.points:
        summary = scalars.scalar_pb(point.series, point.value)
        writer.add_event(Event(wall_time=point.at, step=point.epoch, summary=summary))
    writer.close()
