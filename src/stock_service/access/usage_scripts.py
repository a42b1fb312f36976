"""What runs inside the shared store for the meters of clients. Each script is one indivisible step.

Keys, always these two and always with the same `{…}`:
 1 day    hash: `instance|client` to requests, vendor calls and refused requests, as totals of that instance's day
 2 epoch  one life of the store: another one than remembered is a store that forgot
"""

from __future__ import annotations

# ARGV: a new epoch, should there be none; second at which the day is forgotten; then field and three totals of each.
# A total never goes back. Returns the epoch.
TELL = """
redis.call('SETNX', KEYS[2], ARGV[1])
for i = 3, #ARGV, 4 do
  local totals = {ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]}
  local known, n = redis.call('HGET', KEYS[1], ARGV[i]) or '', 0
  for part in string.gmatch(known, '%d+') do
    n = n + 1
    if tonumber(part) > tonumber(totals[n]) then totals[n] = part end
  end
  redis.call('HSET', KEYS[1], ARGV[i], table.concat(totals, ' '))
end
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[2])
"""

# ARGV: cursor, fields in one answer, roughly. Returns the next cursor, `0` at the end, and fields with their values.
READ = "return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])"
