"""Settings of the service: where they come from, what they may be, and what contradicts what. Opens no socket."""
