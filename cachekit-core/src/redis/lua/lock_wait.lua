-- LOCK_WAIT: stands in line, says that the waiter is alive, and takes the lock if it is free (and its turn, if fair).
-- KEYS[1] lock, KEYS[2] fence, KEYS[3] line, KEYS[4] beats
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] the fencing token must be above this
-- ARGV[4] the waiter, ARGV[5] how often it comes in ms, ARGV[6] 1: in turn only
-- Reply   fencing token, {how long it is held yet in ms, 1 if it is the first of the line}
-- Invariant: in turn, nobody takes it before those who have come earlier and are alive.

local me, beat = ARGV[4], tonumber(ARGV[5])
if not redis.call('ZSCORE', KEYS[3], me) then
  local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', KEYS[3], tonumber(last or 0) + 1, me)
end
-- Dead after two beats that were missed.
redis.call('HSET', KEYS[4], me, string.format('%.0f', clock_ms() + 2 * beat))
redis.call('PEXPIRE', KEYS[3], 10 * beat)
redis.call('PEXPIRE', KEYS[4], 10 * beat)
local first = head(KEYS[3], KEYS[4]) == me
if first or ARGV[6] ~= '1' then
  local taken = take(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
  if taken then
    leave(KEYS[3], KEYS[4], me)
    return taken
  end
end
return {redis.call('PTTL', KEYS[1]), first and 1 or 0}
