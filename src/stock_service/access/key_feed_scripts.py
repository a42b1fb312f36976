"""What runs inside the shared store for client keys. Each script is one indivisible step.

Keys, always these four and always with the same `{…}`:
 1 records  hash: record by id            2 revisions  hash: number of the record's version by id
 3 changes  sorted set: ids by the number of the change that wrote them       4 state  hash: epoch, change

`epoch` names one life of the store: another one than remembered is a store that forgot.
"""

from __future__ import annotations

_COMMON = """
local records, revisions, changes, state = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch = redis.call('HGET', state, 'epoch')
"""

# ARGV: epoch known; number of the last change heard; most records in one answer; a new epoch, should there be none.
# Returns epoch, number of the last change in this answer, 1 when there are more, then id, revision, record of each.
POLL = (
    _COMMON
    + """
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', state, 'epoch', epoch)
end
local most = tonumber(ARGV[3])
local since = ARGV[2]
if epoch ~= ARGV[1] then since = '0' end
local found = redis.call('ZRANGEBYSCORE', changes, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
local said = {epoch, since, '0'}
for i = 1, #found, 2 do
  if i > 2 * most then
    said[3] = '1'
    break
  end
  said[2] = found[i + 1]
  said[#said + 1] = found[i]
  said[#said + 1] = redis.call('HGET', revisions, found[i]) or '0'
  said[#said + 1] = redis.call('HGET', records, found[i]) or ''
end
return said
"""
)

# ARGV: epoch known; `all` or `each`; then id, revision, record of each. A record is written only over an older
# revision; with `all` nothing is written unless everything is, and nothing ever in another epoch. Returns how many
# were written.
PUT = (
    _COMMON
    + """
if epoch ~= ARGV[1] then return 0 end
local newer, count = {}, 0
for i = 3, #ARGV, 3 do
  newer[i] = tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', revisions, ARGV[i]) or '0')
  if newer[i] then count = count + 1 end
end
if ARGV[2] == 'all' and count * 3 < #ARGV - 2 then return 0 end
for i = 3, #ARGV, 3 do
  if newer[i] then
    redis.call('HSET', records, ARGV[i], ARGV[i + 2])
    redis.call('HSET', revisions, ARGV[i], ARGV[i + 1])
    redis.call('ZADD', changes, redis.call('HINCRBY', state, 'change', 1), ARGV[i])
  end
end
return count
"""
)
