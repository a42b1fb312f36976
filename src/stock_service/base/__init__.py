"""Values and seams every other part stands on. Standard library only; imports nothing of ours."""
