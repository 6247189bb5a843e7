-- Changes the queue of what is owed, as the embedded store does.
-- KEYS 1 slips: id -> slip   2 bodies: id -> body   3 waiting: id by due time   4 dead: id by time of death
--      5 done: id by time of delivery   6 bytes of slips and bodies together
--      7 owners: id -> lane, bytes, tenant, origin, webhook   8 counts of those that wait, and of their bytes
--      9 calls, 10 events: a tenant and an origin by the time when the first parcel for it is due; the parcels of each
--      stand in a key of their own behind it, id by due time. The hash tag keeps all in one slot.
-- ARGV[1] what, the rest as written below. Answers a list.
local slips, bodies, waiting, dead, done, bytes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local owners, counts, calls, events = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
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

-- Whose a parcel is; nobody's if it was stored before parcels had owners.
local function owner_of(id)
  local text = redis.call('HGET', owners, id) or '0\n0\n\n\n'
  local lane, size, tenant, origin, hook = string.match(text, '^(%d)\n(%d+)\n([^\n]*)\n([^\n]*)\n(.*)$')
  return { lane = lane, size = tonumber(size), tenant = tenant, target = tenant .. '\n' .. origin, hook = hook }
end

local function targets_of(lane)
  return lane == '1' and events or calls
end

local function line_of(lane, target)
  return targets_of(lane) .. ':' .. target
end

-- Notes when the first parcel for a target is due.
local function refresh(lane, target)
  local first = redis.call('ZRANGE', line_of(lane, target), 0, 0, 'WITHSCORES')
  if first[1] then
    redis.call('ZADD', targets_of(lane), first[2], target)
  else
    redis.call('ZREM', targets_of(lane), target)
  end
end

local function counted(name)
  return tonumber(redis.call('HGET', counts, name) or '0')
end

local function count(owner, by)
  for _, name in ipairs({ owner.lane, owner.lane .. '/' .. owner.tenant }) do
    if redis.call('HINCRBY', counts, 'n' .. name, by) <= 0 then redis.call('HDEL', counts, 'n' .. name) end
    if redis.call('HINCRBY', counts, 'b' .. name, by * owner.size) <= 0 then redis.call('HDEL', counts, 'b' .. name) end
  end
end

-- It waits from now on, until this time.
local function enter(id, due)
  local owner = owner_of(id)
  if redis.call('ZADD', waiting, due, id) == 1 then count(owner, 1) end
  redis.call('ZADD', line_of(owner.lane, owner.target), due, id)
  refresh(owner.lane, owner.target)
end

-- It waits no longer.
local function leave(id)
  local owner = owner_of(id)
  if redis.call('ZREM', waiting, id) == 1 then count(owner, -1) end
  redis.call('ZREM', line_of(owner.lane, owner.target), id)
  refresh(owner.lane, owner.target)
end

local function remove(id)
  drop_body(id)
  grow(-redis.call('HSTRLEN', slips, id))
  redis.call('HDEL', slips, id)
  leave(id)
  redis.call('ZREM', dead, id)
  redis.call('HDEL', owners, id)
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

-- now, forgotten before, most, bytes, id, due, slip, body, most and bytes of a tenant, lane, tenant, origin, webhook
if what == 'owe' then
  local forgotten, most, room = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local id, due, slip, body = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
  local lane, tenant, size = ARGV[12], ARGV[13], #ARGV[8] + #ARGV[9]
  local at = redis.call('ZSCORE', done, id)
  if at and tonumber(at) > forgotten then return { 'known' } end
  if redis.call('HEXISTS', slips, id) == 1 then return { 'known' } end
  local own = lane .. '/' .. tenant
  if counted('n' .. own) >= tonumber(ARGV[10]) or counted('b' .. own) + size > tonumber(ARGV[11]) then
    return { 'over' }
  end
  if counted('n' .. lane) >= most then return { 'full' } end
  if lane == '1' and counted('b1') + size > room / 2 then return { 'full' } end
  while tonumber(redis.call('GET', bytes) or '0') + size > room do
    if not drop_oldest_dead() then return { 'full' } end
  end
  redis.call('ZREM', done, id)
  redis.call('HSET', owners, id, table.concat({ lane, size, tenant, ARGV[14], ARGV[15] }, '\n'))
  set_slip(id, slip)
  if #body > 0 then
    redis.call('HSET', bodies, id, body)
    grow(#body)
  end
  enter(id, due)
  return { 'new' }
end

-- What was stored before parcels had owners waits for one without a name.
local function adopt()
  if redis.call('HLEN', owners) >= redis.call('ZCARD', waiting) + redis.call('ZCARD', dead) then return end
  for _, pile in ipairs({ waiting, dead }) do
    local all = redis.call('ZRANGE', pile, 0, -1, 'WITHSCORES')
    for n = 1, #all, 2 do
      if redis.call('HSETNX', owners, all[n], '0\n0\n\n\n') == 1 and pile == waiting then
        redis.call('ZREM', waiting, all[n])
        enter(all[n], all[n + 1])
      end
    end
  end
end

-- The targets of a lane, the longest due first, each with what may be taken for it and one more.
local function lines(lane, now, per_target, most, limits)
  local all, found = redis.call('ZRANGE', targets_of(lane), 0, -1, 'WITHSCORES'), {}
  for n = 1, #all, 2 do
    local free = tonumber(limits.targets[all[n]] or per_target)
    local deep = tonumber(all[n + 1]) <= now and math.min(free, most) or 0
    local entries = redis.call('ZRANGE', line_of(lane, all[n]), 0, deep, 'WITHSCORES')
    local tenant = string.match(all[n], '^[^\n]*')
    found[#found + 1] = { target = all[n], tenant = tenant, free = free, entries = entries, at = 1 }
  end
  return found
end

if what == 'take' then -- now, until, most, bytes, lane, per target, per tenant, limits
  adopt()
  local now, until_, most, room, lane = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
  local limits = cjson.decode(ARGV[9])
  local found, tenants, size, taken, any = lines(lane, now, ARGV[7], most, limits), limits.tenants, 0, 0, true
  local answer = { '', '', tostring(counted('n' .. lane)), tostring(redis.call('ZCARD', dead)) }
  while any and taken < most and size <= room do
    any = false
    for _, line in ipairs(found) do
      local id, due = line.entries[line.at], tonumber(line.entries[line.at + 1])
      local free = tonumber(tenants[line.tenant] or ARGV[8])
      if id and due <= now and line.free > 0 and free > 0 and taken < most and size <= room then
        line.at, any = line.at + 2, true
        local slip = redis.call('HGET', slips, id)
        if slip and redis.call('ZSCORE', waiting, id) then
          local body = redis.call('HGET', bodies, id) or ''
          redis.call('ZADD', waiting, until_, id)
          redis.call('ZADD', line_of(lane, line.target), until_, id)
          size, taken = size + #slip + #body, taken + 1
          line.free, tenants[line.tenant] = line.free - 1, free - 1
          answer[#answer + 1] = id
          answer[#answer + 1] = slip
          answer[#answer + 1] = body
        else
          redis.call('ZREM', line_of(lane, line.target), id)
        end
      end
    end
  end
  local next
  for _, line in ipairs(found) do
    if line.at > 1 then refresh(lane, line.target) end
    local due = tonumber(line.entries[line.at + 1])
    local blocked = line.free <= 0 or tonumber(tenants[line.tenant] or ARGV[8]) <= 0
    if due and due <= now and blocked then
      answer[2] = 'held'
    elseif due and (not next or due < next) then
      next = due
    end
  end
  answer[1] = time(next) or ''
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
    enter(id, at)
  else
    set_slip(id, slip)
    leave(id)
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

if what == 'hook' then -- tenant, webhook: what waits for it goes
  local gone = 0
  for _, lane in ipairs({ '0', '1' }) do
    for _, target in ipairs(redis.call('ZRANGE', targets_of(lane), 0, -1)) do
      if string.match(target, '^[^\n]*') == ARGV[2] then
        for _, id in ipairs(redis.call('ZRANGE', line_of(lane, target), 0, -1)) do
          if owner_of(id).hook == ARGV[3] then
            remove(id)
            gone = gone + 1
          end
        end
      end
    end
  end
  return { tostring(gone) }
end

if what == 'tallies' then
  local answer = {}
  for _, lane in ipairs({ '0', '1' }) do
    local all = redis.call('ZRANGE', targets_of(lane), 0, -1, 'WITHSCORES')
    for n = 1, #all, 2 do
      answer[#answer + 1] = lane
      answer[#answer + 1] = all[n]
      answer[#answer + 1] = tostring(redis.call('ZCARD', line_of(lane, all[n])))
      answer[#answer + 1] = time(tonumber(all[n + 1]))
    end
  end
  return answer
end

local id = ARGV[2]
if redis.call('HEXISTS', slips, id) == 0 then return { 'unknown' } end
if what == 'revive' then -- id, now
  redis.call('ZREM', dead, id)
  enter(id, ARGV[3])
else -- discard: id
  remove(id)
end
return { 'done' }
