"""Everything between a cache miss and the vendor: deadline, retries, pacing, breaker, one HTTP exchange."""
