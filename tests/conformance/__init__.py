"""Conformance of the real server: our table of HTTP/1.1 checks, and uvicorn's own protocol tests."""
