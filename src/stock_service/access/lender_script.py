"""What runs inside the shared store for the request limits of clients: one step, on the store's own clock.

One number a client: the instant from which its whole allowance is free again (GCRA), in microseconds. A request taken
moves it on by one step; `burst` steps ahead of the clock nothing is left, and twice as many is all that can be owed
by instances that had to do without us. Lent is taken, whether it is used or not: an instance that dies, or an answer
that is lost, can only make a client wait a little, never let it through twice.
"""

from __future__ import annotations

# KEYS client. ARGV: step in microseconds, burst, needed, wanted, spent already, microseconds until all is free as the
# asker knows it. Returns requests lent and microseconds until all is free.
# Beyond what is waited for an asker gets a quarter of what is left, so that the others find some too.
LEND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, burst, needed, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local empty_at = now + burst * step
local taken = tonumber(redis.call('GET', KEYS[1]) or nil) or now + tonumber(ARGV[6])
taken = math.min(math.max(taken, now) + tonumber(ARGV[5]) * step, empty_at + burst * step)
local left = math.max(0, math.floor((empty_at - taken) / step + 0.001))
local given = math.min(left, needed)
given = given + math.min(wanted - needed, math.ceil((left - given) / 4))
taken = taken + given * step
local keep_ms = math.ceil((taken - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.2f', taken), 'PX', string.format('%.0f', keep_ms))
return {given, string.format('%.0f', taken - now)}
"""
