-- APPEND: adds a value to a stream that has room for it.
-- KEYS[1] the stream
-- ARGV[1] how many entries it may have, ARGV[2] the value's key, ARGV[3] the value
-- Reply   1 added, 0 there is no room
-- Invariant: never drops an entry to make room.

if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'key', ARGV[2], 'payload', ARGV[3])
return 1
