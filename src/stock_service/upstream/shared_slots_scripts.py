"""What runs inside the shared store for the vendor's budget. Each script is one indivisible step; its clock is the
store's, so no pod's clock matters.

Keys, always these five and always with the same `{…}`:
 1 log     sorted set: every planned or sent call by its instant in microseconds; all windows look into this one book
 2 state   hash: created, warm_until, warmed, last, not_before, refusals, lowered_at
 3 seen    sorted set: pods by last contact          4 joined  sorted set: pods that use the store, by last beat
 5 seats   sorted set: pods by seat number

A missing `state` is a store that forgot: whoever remembers an earlier one starts it *warming*. Until every call made
before has left the short windows, pods go on by their own shares and report their calls.
"""

from __future__ import annotations

# ARGV of every script begins with: pod, missing_after, most calls kept, refusals known, number of windows, and for
# each window: room, span, share of a pod without the store. Lengths are microseconds.
_COMMON = """
local log, state, seen, joined, seats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local pod, missing_after, most, known, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local after = 6 + 3 * count
local longest = 0
for i = 0, count - 1 do longest = math.max(longest, tonumber(ARGV[7 + 3 * i])) end

local function whole(number) return string.format('%.0f', number) end

local function read()
  local names = {'created', 'warm_until', 'last', 'not_before', 'refusals', 'lowered_at'}
  local found, values = redis.call('HMGET', state, unpack(names)), {}
  for i, name in ipairs(names) do values[name] = tonumber(found[i] or nil) or 0 end
  return values
end

-- A book that lost its entries, or holds some from a future that never was, proves nothing.
local function sound(kept)
  if kept.created == 0 then return false end
  local last = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')
  local emptied = #last == 0 and kept.last > now - longest
  if emptied or kept.created > now or (#last > 0 and tonumber(last[2]) > now + 600000000) then
    redis.call('DEL', log, state, joined)
    return false
  end
  return true
end

local function plan(kept)
  local missing = redis.call('ZCARD', seen) - redis.call('ZCOUNT', joined, whole(now - missing_after), '+inf')
  local at, left = math.max(now, kept.not_before), most
  for i = 0, count - 1 do
    local room, span, share = tonumber(ARGV[6 + 3 * i]), tonumber(ARGV[7 + 3 * i]), tonumber(ARGV[8 + 3 * i])
    room = math.max(1, room - math.ceil(missing * share - 0.000001))
    local nth = redis.call('ZRANGE', log, -room, -room, 'WITHSCORES')
    if #nth > 0 then at = math.max(at, tonumber(nth[2]) + span) end
    left = math.min(left, room - redis.call('ZCOUNT', log, '(' .. whole(now - span), '+inf'))
  end
  if kept.not_before > now then left = 0 end
  return at, math.max(0, left)
end

-- Only what has left every window may go: planned calls behind it may still be given up.
local function keep(at, kept)
  redis.call('ZREMRANGEBYSCORE', log, '-inf', '(' .. whole(now - longest))
  local for_ms = whole(math.ceil((math.max(at, kept.not_before) - now + longest) / 1000) + 3600000)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, for_ms) end
end

local function give_up(token)
  if redis.call('ZREM', log, token) == 0 then return 0 end
  local last = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')
  redis.call('HSET', state, 'last', last[2] or 0)
  return 1
end

local function news(kept) return {whole(kept.refusals), whole(now - kept.lowered_at), whole(kept.not_before - now)} end
"""

# then: token, token given up, patience, margin (how late the call may leave). Returns go|wait, microseconds from now,
# calls left, news; or why not.
TAKE = (
    _COMMON
    + """
local token, instead, patience = ARGV[after], ARGV[after + 1], tonumber(ARGV[after + 2])
local margin = tonumber(ARGV[after + 3])
local kept = read()
if not sound(kept) or kept.warm_until > now or not redis.call('ZSCORE', joined, pod) then return {'join'} end
if whole(kept.refusals) ~= known then return {'learn', 0, 0, unpack(news(kept))} end
if instead ~= '' then give_up(instead) end
local at, left = plan(kept)
if at - now > patience then return {'wait', whole(at - now), left, unpack(news(kept))} end
redis.call('ZADD', log, whole(at + margin), token)
redis.call('HSET', state, 'last', whole(at + margin))
keep(at + margin, kept)
return {'go', whole(at - now), math.max(0, left - 1), unpack(news(kept))}
"""
)

# then: instant of creation remembered or 0, warming time, pods there may be, pairs of token and how long ago it was
# sent. Returns joined|warming, microseconds to the next call or the end of warming, calls left, news, created, seat.
JOIN = (
    _COMMON
    + """
local remembered, warm_for, pods = ARGV[after], tonumber(ARGV[after + 1]), tonumber(ARGV[after + 2])
local kept = read()
if not sound(kept) then
  kept = {created = now, warm_until = 0, last = 0, not_before = 0, refusals = 0, lowered_at = 0}
  redis.call('HSET', state, 'created', whole(now))
end
-- Somebody remembers an earlier book: this one does not know yet what was sent.
if remembered ~= '0' and remembered ~= whole(kept.created) and redis.call('HSETNX', state, 'warmed', 1) == 1 then
  kept.warm_until = now + warm_for
  redis.call('HSET', state, 'warm_until', whole(kept.warm_until))
end
for i = after + 3, #ARGV, 2 do
  local at = now - tonumber(ARGV[i + 1])
  redis.call('ZADD', log, 'NX', whole(at), ARGV[i])
  if at > kept.last then
    kept.last = at
    redis.call('HSET', state, 'last', whole(at))
  end
end
-- More than there may be: the longest unseen are gone for good, however they went.
redis.call('ZADD', seen, whole(now), pod)
redis.call('ZREMRANGEBYSCORE', seen, '-inf', whole(now - 900000000))
redis.call('ZREMRANGEBYRANK', seen, 0, -(pods + 1))
redis.call('ZREMRANGEBYSCORE', joined, '-inf', whole(now - 900000000))
local seat = redis.call('ZSCORE', seats, pod)
if not seat then
  -- Only who comes anew looks through all of them: a beat must not cost more the more pods there are.
  for _, each in ipairs(redis.call('ZRANGE', seats, 0, -1)) do
    if not redis.call('ZSCORE', seen, each) then redis.call('ZREM', seats, each) redis.call('ZREM', joined, each) end
  end
  seat = 0
  while redis.call('ZCOUNT', seats, seat, seat) > 0 do seat = seat + 1 end
  redis.call('ZADD', seats, seat, pod)
end
local said, at, left = 'warming', kept.warm_until, 0
if kept.warm_until <= now then
  redis.call('ZADD', joined, whole(now), pod)
  said = 'joined'
  at, left = plan(kept)
else
  redis.call('ZREM', joined, pod)
end
keep(now, kept)
local found = {said, whole(at - now), left, unpack(news(kept))}
found[7], found[8] = whole(kept.created), whole(seat)
return found
"""
)

# then: pause, how long ago the refused call was sent or -1 for a pause without a refusal. Returns news.
PAUSE = (
    _COMMON
    + """
local kept = read()
local ends, ago = now + tonumber(ARGV[after]), tonumber(ARGV[after + 1])
if ends > kept.not_before then
  kept.not_before = ends
  redis.call('HSET', state, 'not_before', whole(ends))
end
-- Refusals of calls under way when the last one was heard are old news.
if ago >= 0 and now - ago > kept.lowered_at then
  kept.refusals, kept.lowered_at = kept.refusals + 1, now
  redis.call('HSET', state, 'refusals', whole(kept.refusals), 'lowered_at', whole(now))
end
keep(now, kept)
return news(kept)
"""
)

# then: token.
REFUND = _COMMON + "return give_up(ARGV[after])"

LEAVE = _COMMON + "for _, key in ipairs({seen, joined, seats}) do redis.call('ZREM', key, pod) end return 1"
