-- LOCK_ACQUIRE: takes a lock that is free.
-- KEYS[1] lock, KEYS[2] fence
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] the fencing token must be above this
-- Reply   fencing token, {how long it is held yet in ms; below 0 if that is not known}
-- Invariant: sets the lock only where there is none, and counts on only with it.

return take(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) or {redis.call('PTTL', KEYS[1])}
