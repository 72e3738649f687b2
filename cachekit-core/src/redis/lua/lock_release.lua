-- LOCK_RELEASE: removes a lock that is still the caller's, and wakes one waiter.
-- KEYS[1] lock, KEYS[2] line, KEYS[3] beats
-- ARGV[1] token, ARGV[2] what the names of channels begin with
-- Reply   1 released, 2 released and somebody was woken, 0 there is none, -1 it is another's
-- Invariant: removes nothing but what carries the token.

local found = redis.call('GET', KEYS[1])
if not found then return 0 end
if found ~= ARGV[1] then return -1 end
redis.call('UNLINK', KEYS[1])
-- As a rule nobody waits, and no more is to be done. What follows are lock_line.lua and lock_wake.lua.
if redis.call('EXISTS', KEYS[2]) == 0 then return 1 end
