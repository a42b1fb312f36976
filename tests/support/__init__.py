"""Builders and devices shared by the tests."""
