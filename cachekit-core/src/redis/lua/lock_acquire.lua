-- LOCK_ACQUIRE: takes a lock that is free.
-- KEYS[1] lock, KEYS[2] fence; KEYS[3] line, KEYS[4] beats: only if nobody waits there
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] the fencing token must be above this
-- Reply   {1, fencing token}, {0, how long it is held yet in ms; below 0 if that is not known}
-- Invariant: sets the lock only where there is none, and counts on only with it.

if KEYS[3] and head(KEYS[3], KEYS[4]) then return {0, redis.call('PTTL', KEYS[1])} end
return take(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
