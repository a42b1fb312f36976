"""Command line: one file per command; each parses, calls one function, prints, returns an exit code."""
