-- INVALIDATE_KEEP: removes whatever is under the key, unless it is an inhibit.
-- KEYS[1] the key, which may hold a foreign type
-- Reply   2 inhibited and kept, 1 removed, 0 there was nothing
-- Invariant: an inhibit is lifted by its writers alone.

-- pcall: a list or a hash has no range, and is removed like any other foreign value.
local header = redis.pcall('GETRANGE', KEYS[1], 0, 2)
if type(header) == 'string'
  and string.sub(header, 1, 1) == '\202' and string.sub(header, 3, 3) == 'I' then
  return 2
end
return redis.call('UNLINK', KEYS[1])
