"""Stock Service: a self-hosted, market-aware gateway in front of a market-data vendor."""

__version__ = "0.1.0"
