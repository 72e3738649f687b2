-- DISOWN: gives up the role that the key stands for.
-- KEYS[1] the role
-- ARGV[1] who gives it up
-- Reply   1 given up, 0 it was not ours
-- Invariant: takes it from nobody else.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
