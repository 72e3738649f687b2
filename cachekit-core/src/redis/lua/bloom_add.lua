#!lua flags=allow-oom
-- BLOOM_ADD: sets the bits of some ids in both regions, whichever of them is asked.
-- KEYS[1] the filter
-- ARGV[1] the geometry its positions were made for (32 bytes), ARGV[2] the positions, 4 bytes each
-- Reply   0 there is no filter of this geometry, else 1 more than the ids that the region in use has seen
-- Invariant: never makes a filter where there is none.

local geometry = redis.call('GETRANGE', KEYS[1], 0, 31)
if geometry ~= ARGV[1] then return 0 end
local hashes, bits = string.byte(geometry, 6), struct.unpack('>I8', geometry, 9)

local fresh = { 0, 0 }
for id = 1, #ARGV[2], 4 * hashes do
  local new = { 0, 0 }
  for hash = 0, hashes - 1 do
    local position = struct.unpack('>I4', ARGV[2], id + 4 * hash)
    for region = 1, 2 do
      if redis.call('SETBIT', KEYS[1], 1024 + (region - 1) * bits + position, 1) == 0 then
        new[region] = 1
      end
    end
  end
  fresh[1], fresh[2] = fresh[1] + new[1], fresh[2] + new[2]
end
for region = 1, 2 do
  if fresh[region] > 0 then
    redis.call('BITFIELD', KEYS[1], 'INCRBY', 'i64', 448 + 64 * region, fresh[region])
  end
end

local region = string.byte(redis.call('GETRANGE', KEYS[1], 88, 88))
if region == 0 then return 1 end
return 1 + redis.call('BITFIELD', KEYS[1], 'GET', 'i64', 448 + 64 * region)[1]
