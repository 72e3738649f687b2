-- LOCK_LEAVE: leaves the line; a wake that may have been for the one who leaves is passed on.
-- KEYS[1] lock, KEYS[2] line, KEYS[3] beats
-- ARGV[1] the waiter, ARGV[2] what the names of channels begin with
-- Reply   1 the next was woken, 0 not

leave(KEYS[2], KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
return wake_head(KEYS[2], KEYS[3], ARGV[2]) and 1 or 0
