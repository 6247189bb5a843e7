-- Whose turn at a chore it is, and what came of it.
-- KEYS 1 the turn: a string, who has it   2 what came of it: a hash, asked (microseconds) and list
-- ARGV 1 what, 2 who asks, and further as below
local what, who = ARGV[1], ARGV[2]

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function text(number)
  return string.format('%.0f', number)
end

-- 3 for how many milliseconds
if what == 'turn' then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= who then return {} end
  redis.call('SET', KEYS[1], who, 'PX', ARGV[3])
  return { text(now()) }
end

-- 3 for how many milliseconds, 4 asked, 5 channel, 6 news, 7 the list unless it is too large
if what == 'share' then
  if redis.call('GET', KEYS[1]) == who then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  local stands = redis.call('HGET', KEYS[2], 'asked')
  if stands and tonumber(stands) >= tonumber(ARGV[4]) then return {} end
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'asked', ARGV[4])
  if ARGV[7] then redis.call('HSET', KEYS[2], 'list', ARGV[7]) end
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.pcall('PUBLISH', ARGV[5], ARGV[6])
  return {}
end

if what == 'read' then
  local asked = redis.call('HGET', KEYS[2], 'asked')
  if not asked then return {} end
  local list = redis.call('HGET', KEYS[2], 'list')
  return { asked, text(now()), list or nil }
end

-- 3 channel, 4 news, if the others shall know
if what == 'leave' and redis.call('GET', KEYS[1]) == who then
  redis.call('DEL', KEYS[1])
  if ARGV[3] then redis.pcall('PUBLISH', ARGV[3], ARGV[4]) end
end
return {}
