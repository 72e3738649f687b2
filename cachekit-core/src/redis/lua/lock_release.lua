-- LOCK_RELEASE: removes a lock that is still the caller's, and wakes one waiter.
-- KEYS[1] lock, KEYS[2] line, KEYS[3] beats
-- ARGV[1] token, ARGV[2] what the names of channels begin with
-- Reply   1 released, 2 released and somebody was woken, 0 there is none, -1 it is another's
-- Invariant: removes nothing but what carries the token.

local found = redis.call('GET', KEYS[1])
if not found then return 0 end
if found ~= ARGV[1] then return -1 end
redis.call('UNLINK', KEYS[1])
return wake_head(KEYS[2], KEYS[3], ARGV[2]) and 2 or 1
