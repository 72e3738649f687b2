-- LOCK_EXTEND: lets a lock that is still the caller's run on.
-- KEYS[1] lock
-- ARGV[1] token, ARGV[2] lease in ms from now
-- Reply   1 extended, 0 there is none, -1 it is another's
-- Invariant: extends nothing but what carries the token, and creates nothing.

local found = redis.call('GET', KEYS[1])
if not found then return 0 end
if found ~= ARGV[1] then return -1 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
