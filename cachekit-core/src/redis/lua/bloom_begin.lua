-- BLOOM_BEGIN: makes this the rebuild that is under way, and a filter of its geometry if there is none.
-- KEYS[1] the filter
-- ARGV[1] the geometry that is wanted (32 bytes), ARGV[2] the rebuild's token (8 bytes), ARGV[3] how many ids are
-- expected (8 bytes), ARGV[4] after how many seconds without a sign of life a rebuild is over
-- Reply   0 another rebuild is under way, else the region that it fills (1 or 2), plus 2 if that holds no bit yet
-- Invariant: the region in use is left alone, unless its geometry is another one.

local geometry = redis.call('GETRANGE', KEYS[1], 0, 31)
local now = tonumber(redis.call('TIME')[1])
local same = string.sub(geometry, 1, 16) == string.sub(ARGV[1], 1, 16)
local filled = 0
if same then
  local header = redis.call('GETRANGE', KEYS[1], 0, 127)
  local under_way = string.sub(header, 41, 48) ~= string.rep('\0', 8)
  if under_way and now - struct.unpack('>I4', header, 93) < tonumber(ARGV[4]) then return 0 end
  filled = string.byte(header, 89)
else
  local bits = struct.unpack('>I8', ARGV[1], 9)
  redis.call('UNLINK', KEYS[1])
  redis.call('SETBIT', KEYS[1], 1024 + 2 * bits - 1, 0)
  redis.call('SETRANGE', KEYS[1], 0, ARGV[1])
end
local target = filled == 1 and 2 or 1
redis.call('SETRANGE', KEYS[1], 40, ARGV[2])
redis.call('SETRANGE', KEYS[1], 56 + 8 * target, string.rep('\0', 8))
redis.call('SETRANGE', KEYS[1], 80, ARGV[3])
redis.call('SETRANGE', KEYS[1], 92, struct.pack('>I4', now))
return same and target or target + 2
