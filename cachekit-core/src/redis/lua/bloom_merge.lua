#!lua flags=allow-oom
-- BLOOM_MERGE: a step of a rebuild: clears bytes, or adds the bits that are set in them; with neither, a sign of life.
-- KEYS[1] the filter
-- ARGV[1] the rebuild's token (8 bytes), ARGV[2] the first byte, ARGV[3] how many to clear, ARGV[4] what to add, if
-- there is nothing to clear: whole words of 4 bytes
-- Reply   1 done, 0 this rebuild is not the one under way any more
-- Invariant: a bit that was set by somebody else since the bytes were cleared stays set.

if redis.call('GETRANGE', KEYS[1], 40, 47) ~= ARGV[1] then return 0 end
redis.call('SETRANGE', KEYS[1], 92, struct.pack('>I4', tonumber(redis.call('TIME')[1])))
local clear, added, at = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[2])
if clear > 0 then
  redis.call('SETRANGE', KEYS[1], at, string.rep('\0', clear))
elseif #added > 0 then
  local there = redis.call('GETRANGE', KEYS[1], at, at + #added - 1)
  if there ~= string.rep('\0', #added) then
    local words = {}
    for word = 1, #added, 4 do
      local both = bit.bor(struct.unpack('>I4', there, word), struct.unpack('>I4', added, word))
      words[#words + 1] = struct.pack('>I4', both)
    end
    added = table.concat(words)
  end
  redis.call('SETRANGE', KEYS[1], at, added)
end
return 1
