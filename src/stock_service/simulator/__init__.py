"""The vendor, simulated: deterministic prices and the vendor's wire format, errors and limits."""
