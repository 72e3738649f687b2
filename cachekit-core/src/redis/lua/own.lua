-- OWN: takes or keeps the role that the key stands for.
-- KEYS[1] the role
-- ARGV[1] who asks, ARGV[2] for how long, in ms
-- Reply   1 it is ours, 0 it is another's
-- Invariant: a role has one owner at a time.

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
