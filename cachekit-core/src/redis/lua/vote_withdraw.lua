-- VOTE_WITHDRAW: takes a vote for a lock back.
-- KEYS[1] the lock
-- ARGV[1] the holder's token
-- Reply   1 taken back, 0 there was none, or it is for somebody else
-- Invariant: removes nothing but what carries the token.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
