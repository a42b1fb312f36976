"""Fuzzing of everything that reads foreign bytes; docs/fuzzing.md."""
