"""What is kept, for how long, and how one fetch serves many askers."""
