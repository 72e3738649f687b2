-- The end of LOCK_RELEASE: wakes one waiter.

return wake_head(KEYS[2], KEYS[3], ARGV[2]) and 2 or 1
