"""Builds the service out of its parts: the only place that constructs devices."""
