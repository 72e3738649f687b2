-- What the scripts of locks have in common; it stands before each of them that needs it: even a function that is not
-- called takes its time to define.
-- All keys of a lock carry its text in braces, and so are in one slot of a cluster.
--   lock   its holder's token, and its label
--   fence  the latest fencing token
--   line   those who wait, in the order of arrival
--   beats  until when each of them counts as alive, in ms of the server's clock

local function clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The first of the line that is alive. Those before it have gone without a word, and leave.
local function head(line, beats)
  local now
  while true do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if not first then return false end
    now = now or clock_ms()
    local alive_until = redis.call('HGET', beats, first)
    if alive_until and tonumber(alive_until) > now then return first end
    redis.call('ZREM', line, first)
    redis.call('HDEL', beats, first)
  end
end

local function leave(line, beats, who)
  redis.call('ZREM', line, who)
  redis.call('HDEL', beats, who)
end

-- Tells the first of the line, on the channel of its process, that it is its turn. Who waits is named <process>:<number>.
local function wake_head(line, beats, channels)
  local first = head(line, beats)
  if not first then return false end
  local process, number = string.match(first, '^([^:]*):(.*)$')
  redis.call('PUBLISH', channels .. process, number)
  return true
end
