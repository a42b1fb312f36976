"""Faults under load: a real gateway process, real sockets, the simulated vendor misbehaving on schedule.

Truth comes from the vendor's own log and the client's own counts, never from the gateway's metrics.
"""
