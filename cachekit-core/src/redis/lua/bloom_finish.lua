#!lua flags=allow-oom
-- BLOOM_FINISH: puts the rebuilt region to use.
-- KEYS[1] the filter
-- ARGV[1] the rebuild's token (8 bytes), ARGV[2] the region, ARGV[3] a tag that was never used (8 bytes), ARGV[4] the
-- incarnation of the server that took every write since the rebuild began (16 bytes)
-- Reply   0 this rebuild is not the one under way any more, else 1 more than the ids in the region, by its bits
-- Invariant: all that makes the region trusted is written at once.

if redis.call('GETRANGE', KEYS[1], 40, 47) ~= ARGV[1] then return 0 end
local region = tonumber(ARGV[2])
local geometry = redis.call('GETRANGE', KEYS[1], 0, 31)
local hashes, bits = string.byte(geometry, 6), struct.unpack('>I8', geometry, 9)
local first = 128 + (region - 1) * bits / 8
local ones = redis.call('BITCOUNT', KEYS[1], first, first + bits / 8 - 1)
local ids = ones
if ones < bits then ids = math.floor(-bits / hashes * math.log(1 - ones / bits) + 0.5) end

redis.call('SETRANGE', KEYS[1], 32, ARGV[3] .. string.rep('\0', 8) .. ARGV[4])
redis.call('BITFIELD', KEYS[1], 'SET', 'i64', 448 + 64 * region, ids)
redis.call('SETRANGE', KEYS[1], 88, string.char(region))
return 1 + ids
