"""Observers of base.events: metrics, logs, traces. They watch and never decide."""
