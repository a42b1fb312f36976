"""Chores of this repository."""
