"""When markets are open. Pure: the instant asked about is always an argument."""
