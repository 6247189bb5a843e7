-- Changes the queue of what is owed, as the embedded store does.
-- KEYS 1 slips: id -> slip   2 bodies: id -> body   3 waiting: id by due time   4 dead: id by time of death
--      5 done: id by time of delivery   6 bytes of slips and bodies together
-- ARGV[1] what, the rest as written below. Answers a list.
local slips, bodies, waiting, dead, done, bytes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local what = ARGV[1]

local function grow(by)
  if by ~= 0 then redis.call('INCRBY', bytes, by) end
end

local function drop_body(id)
  grow(-redis.call('HSTRLEN', bodies, id))
  redis.call('HDEL', bodies, id)
end

local function set_slip(id, slip)
  grow(#slip - redis.call('HSTRLEN', slips, id))
  redis.call('HSET', slips, id, slip)
end

local function remove(id)
  drop_body(id)
  grow(-redis.call('HSTRLEN', slips, id))
  redis.call('HDEL', slips, id)
  redis.call('ZREM', waiting, id)
  redis.call('ZREM', dead, id)
end

-- Whether a dead letter was dropped.
local function drop_oldest_dead()
  local oldest = redis.call('ZRANGE', dead, 0, 0)[1]
  if oldest then remove(oldest) end
  return oldest
end

-- Times as they were given: a number with a fraction would be another text.
local function time(score)
  return score and string.format('%.0f', score)
end

if what == 'owe' then -- now, forgotten before, most, bytes, id, due, slip, body
  local forgotten, most, room = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local id, due, slip, body = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
  local at = redis.call('ZSCORE', done, id)
  if at and tonumber(at) > forgotten then return { 'known' } end
  if redis.call('HEXISTS', slips, id) == 1 then return { 'known' } end
  if redis.call('ZCARD', waiting) >= most then return { 'full' } end
  while tonumber(redis.call('GET', bytes) or '0') + #slip + #body > room do
    if not drop_oldest_dead() then return { 'full' } end
  end
  redis.call('ZREM', done, id)
  set_slip(id, slip)
  if #body > 0 then
    redis.call('HSET', bodies, id, body)
    grow(#body)
  end
  redis.call('ZADD', waiting, due, id)
  return { 'new' }
end

if what == 'take' then -- now, until, most, bytes
  local now, until_, most, room = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
  local found = redis.call('ZRANGE', waiting, 0, most, 'WITHSCORES')
  local answer, size = { '', tostring(redis.call('ZCARD', waiting)), tostring(redis.call('ZCARD', dead)) }, 0
  for n = 1, #found, 2 do
    local id, due = found[n], tonumber(found[n + 1])
    if due > now or n > most * 2 or size > room then
      answer[1] = time(due)
      break
    end
    local slip = redis.call('HGET', slips, id) or ''
    local body = redis.call('HGET', bodies, id) or ''
    redis.call('ZADD', waiting, until_, id)
    size = size + #slip + #body
    answer[#answer + 1] = id
    answer[#answer + 1] = slip
    answer[#answer + 1] = body
  end
  return answer
end

if what == 'settle' then -- id, until, done | again | dead, at, slip, forgotten before, most remembered, most dead
  local id, becomes, at, slip = ARGV[2], ARGV[4], ARGV[5], ARGV[6]
  local lease = redis.call('ZSCORE', waiting, id)
  if not lease or tonumber(lease) ~= tonumber(ARGV[3]) then return { 'lost' } end
  if becomes == 'done' then
    remove(id)
    redis.call('ZADD', done, at, id)
    redis.call('ZREMRANGEBYSCORE', done, '-inf', ARGV[7])
    redis.call('ZREMRANGEBYRANK', done, 0, -1 - tonumber(ARGV[8]))
  elseif becomes == 'again' then
    set_slip(id, slip)
    redis.call('ZADD', waiting, at, id)
  else
    set_slip(id, slip)
    redis.call('ZREM', waiting, id)
    redis.call('ZADD', dead, at, id)
    while redis.call('ZCARD', dead) > tonumber(ARGV[9]) do drop_oldest_dead() end
  end
  return { 'settled' }
end

if what == 'pile' then -- waiting | dead, from, most
  local pile = ARGV[2] == 'dead' and dead or waiting
  local from, most = tonumber(ARGV[3]), tonumber(ARGV[4])
  local answer = { tostring(redis.call('ZCARD', pile)) }
  if most == 0 then return answer end
  local found = redis.call('ZRANGE', pile, from, from + most - 1, 'WITHSCORES')
  for n = 1, #found, 2 do
    answer[#answer + 1] = found[n]
    answer[#answer + 1] = time(tonumber(found[n + 1]))
    answer[#answer + 1] = redis.call('HGET', slips, found[n]) or ''
  end
  return answer
end

local id = ARGV[2]
if redis.call('HEXISTS', slips, id) == 0 then return { 'unknown' } end
if what == 'revive' then -- id, now
  redis.call('ZREM', dead, id)
  redis.call('ZADD', waiting, ARGV[3], id)
else -- discard: id
  remove(id)
end
return { 'done' }
