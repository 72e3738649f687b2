-- How a lock is taken; it stands before each script that takes one. The keys are told of in lock_line.lua.

-- A count that begins anew begins with the server's time in microseconds, which is above all that was counted before.
-- It may be forgotten a week later, for by then that time is above it. One that a floor has put above the time stays.
local function recount(fence, number, least)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  if number == 1 then least = math.max(least, now) end
  if number < least then
    number = least
    redis.call('SET', fence, string.format('%.0f', number))
  end
  if number <= now then
    redis.call('PEXPIRE', fence, 604800000)
  else
    redis.call('PERSIST', fence)
  end
  return number
end

-- Takes the lock if it is free: the fencing token, or false.
local function take(lock, fence, token, lease, floor)
  if not redis.call('SET', lock, token, 'NX', 'PX', lease) then return false end
  local number = redis.pcall('INCR', fence)
  if type(number) ~= 'number' then
    redis.call('UNLINK', lock)
    return number
  end
  local least = tonumber(floor) + 1
  -- Its week need not begin anew each time: that costs as much as to count.
  if number < least or number % 64 == 1 then return recount(fence, number, least) end
  return number
end
