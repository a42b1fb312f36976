"""The alert drill: `make drill`, about six minutes."""
