"""Makes whoever answers in the vendor's name: the vendor, the vendor with a recorder beside it, or a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stock_service.base.clock import Clock, StoppedWall
from stock_service.base.events import Observer
from stock_service.config.sections import Settings
from stock_service.reads.replay import ReplayClient, open_recording
from stock_service.upstream.client import ClientSettings, VendorClient
from stock_service.upstream.judged import Client
from stock_service.upstream.recorder import RecorderSettings, RecordingClient
from stock_service.vendor.links import vendor_origins


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers, and the clock of the market it answers for: a recording's stands still where it ended."""

    client: Client
    market_clock: Clock


def make_answering(settings: Settings, client: ClientSettings, clock: Clock, observer: Observer) -> Answering:
    """Return who answers in the vendor's name under these settings.

    Raises:
        RecordingFaulty: the folder of recorded answers cannot be used.
    """
    upstream = settings.upstream
    if upstream.replay_dir:
        recording = open_recording(Path(upstream.replay_dir))
        return Answering(ReplayClient(recording), StoppedWall(clock, recording.ended_at))
    vendor = VendorClient(client, upstream.api_key.reveal(), clock)
    if not upstream.record_dir:
        return Answering(vendor, clock)
    folder = RecorderSettings(Path(upstream.record_dir), vendor_origins(upstream.url))
    return Answering(RecordingClient(vendor, folder, clock, observer), clock)
