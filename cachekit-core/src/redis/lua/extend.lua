-- EXTEND: keeps a lease alive while its holder still loads.
-- KEYS[1] the entry
-- ARGV[1] the id of the lease (16 bytes), ARGV[2] its new expiry in ms
-- Reply   1 extended, 0 the lease is gone
-- Invariant: touches leases only; a value's expiry is never moved.

local header = redis.call('GETRANGE', KEYS[1], 0, 19)
if string.sub(header, 3, 3) ~= 'L' or string.sub(header, 5, 20) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
