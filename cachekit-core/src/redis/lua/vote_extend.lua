-- VOTE_EXTEND: keeps a vote for a lock alive while its holder has the quorum.
-- KEYS[1] the lock
-- ARGV[1] the holder's token, ARGV[2] the new expiry in ms
-- Reply   1 extended, 0 there is no vote, -1 it is for somebody else
-- Invariant: a vote for another is never touched, and one that is gone is not made again.

local token = redis.call('GET', KEYS[1])
if not token then return 0 end
if token ~= ARGV[1] then return -1 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
