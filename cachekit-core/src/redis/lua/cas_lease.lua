-- CAS_LEASE: turns a seen entry (a tombstone, a value of another schema, a damaged one) into a lease.
-- KEYS[1] the entry
-- ARGV[1] the id that must still be there (16 bytes), ARGV[2] the lease (28 bytes, fresh id), ARGV[3] its expiry in ms
-- Reply   1 leased, 0 another incarnation, none, or an inhibit
-- Invariant: the lease carries the floor of the entry it replaces, and it always expires.

local header = redis.call('GETRANGE', KEYS[1], 0, 27)
if #header < 28 or string.sub(header, 5, 20) ~= ARGV[1] then return 0 end
if string.sub(header, 3, 3) == 'I' then return 0 end
local lease = string.sub(ARGV[2], 1, 20) .. string.sub(header, 21, 28)
redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
return 1
