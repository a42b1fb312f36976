"""The alert drill: `make drill`, about seven minutes."""
