-- LOCK_ACQUIRE_FAIR: takes a lock that is free and that nobody waits for.
-- KEYS[1] lock, KEYS[2] fence, KEYS[3] line, KEYS[4] beats
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] the fencing token must be above this
-- Reply   fencing token, {how long it is held yet in ms; below 0 if that is not known}
-- Invariant: sets the lock only where there is none and nobody alive in line, and counts on only with it.

if head(KEYS[3], KEYS[4]) then return {redis.call('PTTL', KEYS[1])} end
return take(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) or {redis.call('PTTL', KEYS[1])}
