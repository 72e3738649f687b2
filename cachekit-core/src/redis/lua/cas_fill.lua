-- CAS_FILL: puts a value in place of the incarnation that its loader saw.
-- KEYS[1] the entry
-- ARGV[1] the id that must still be there (16 bytes), ARGV[2] the new entry, ARGV[3] its expiry in ms,
-- ARGV[4] 'L' when the expected incarnation is a lease, else empty
-- Reply   1 stored, 0 the incarnation is gone, -1 the value is older than the floor, -2 the key is inhibited
-- Invariant: an incarnation is filled at most once, and the floor never sinks while the key exists.

-- Floors are compared as numbers: `<` on strings goes by the locale of the server.
local function lt(a, b)
  local ah, al = struct.unpack('>I4I4', a)
  local bh, bl = struct.unpack('>I4I4', b)
  return ah < bh or (ah == bh and al < bl)
end

local header = redis.call('GETRANGE', KEYS[1], 0, 27)
if #header < 28 then return 0 end

local entry = ARGV[2]
local id = string.sub(header, 5, 20)
-- This very fill, sent twice.
if id == string.sub(entry, 5, 20) then return 1 end
if id ~= ARGV[1] then return 0 end

local kind = string.sub(header, 3, 3)
if kind == 'I' then return -2 end
if ARGV[4] == 'L' and kind ~= 'L' then return 0 end

local floor = string.sub(header, 21, 28)
if lt(string.sub(entry, 29, 36), floor) then return -1 end
if lt(string.sub(entry, 21, 28), floor) then
  entry = string.sub(entry, 1, 20) .. floor .. string.sub(entry, 29)
end
redis.call('SET', KEYS[1], entry, 'PX', ARGV[3])
return 1
