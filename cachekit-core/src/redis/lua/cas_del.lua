-- CAS_DEL: removes one incarnation, such as a lease that nobody will fill.
-- KEYS[1] the entry
-- ARGV[1] the id that must still be there (16 bytes)
-- Reply   1 removed, 0 another incarnation or none, -2 the key is inhibited
-- Invariant: removes nothing but what carries the id, and never an inhibit.

local header = redis.call('GETRANGE', KEYS[1], 0, 19)
if string.sub(header, 5, 20) ~= ARGV[1] then return 0 end
if string.sub(header, 3, 3) == 'I' then return -2 end
return redis.call('UNLINK', KEYS[1])
