"""Instants tests agree on."""

from __future__ import annotations

from datetime import UTC, datetime

NEW_YEAR_2024 = datetime(2024, 1, 1, tzinfo=UTC)
