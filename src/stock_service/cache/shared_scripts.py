"""What runs inside the shared store, for answers, leases and purges. Each script is one indivisible step.

Two keys of one answer always go together and carry the same `{…}`, so that a Cluster keeps them on one server.
"""

from __future__ import annotations

from stock_service.cache.codec import PREFIX_BYTES

# The instant of a kept value, whatever version wrote it; nothing for what is not a value of ours, or from a future
# that a clock set back has left behind.
_INSTANT = f"""
local function instant(key)
  local head = redis.pcall('GETRANGE', key, 0, {PREFIX_BYTES - 1})
  if type(head) ~= 'string' then redis.call('DEL', key) return nil end
  if string.sub(head, 1, 4) ~= 'stkE' then return nil end
  local at, now = tonumber(string.sub(head, 7)), redis.call('TIME')
  if at and at > now[1] * 1000 + 60000 then return nil end
  return at
end
"""

# KEYS value, lease; ARGV token, milliseconds the lease lasts, instant the asker has seen.
LEAD = (
    _INSTANT
    + """
local kept = instant(KEYS[1])
if kept and kept > tonumber(ARGV[3]) then return 'look' end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'lead' end
return 'wait'
"""
)

# KEYS value, lease; ARGV token, instant, milliseconds to keep, value. The lease ends with the value in place.
PUT = (
    _INSTANT
    + """
local kept = instant(KEYS[1])
local result = 'older'
if not kept or kept < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
  result = 'kept'
end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return result
"""
)

RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
DISCARD = "return redis.call('DEL', KEYS[1])"

# KEYS marks; ARGV text, milliseconds to keep, how many at most. Ordered by their ends.
MARK = """
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -(ARGV[3] + 1))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if #last > 0 then redis.call('PEXPIREAT', KEYS[1], last[2]) end
return 1
"""

# KEYS marks. What is not marks is none.
MARKS = """
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then return {} end
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), '+inf')
"""

# KEYS purges. Read by everybody once a second, also from a store that is full or takes no writes.
PURGES = """#!lua flags=no-writes
local held = redis.pcall('GET', KEYS[1])
return type(held) == 'string' and held or ''
"""

# KEYS purges; ARGV the list it must be, the list it becomes. It has no end: what has is evicted first.
SWAP_PURGES = """
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then held = '' end
if held ~= ARGV[1] then return 'other' end
redis.call('SET', KEYS[1], ARGV[2])
return 'kept'
"""
