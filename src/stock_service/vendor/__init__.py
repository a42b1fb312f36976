"""Facts of the vendor's wire format: routes, canonical requests, bodies, links. Pure: no I/O, no asyncio."""
