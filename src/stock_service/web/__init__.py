"""HTTP: the hit path inside the parser's callback, and the ASGI application behind it."""
