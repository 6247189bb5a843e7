-- Takes one step on one record of routes, as take.rs does.
-- KEYS[1] the record: a hash, tenant -> route as JSON
-- KEYS[2] the predecessor's key for the meeting, if it is kept: a string, the instance
-- ARGV    1 what, 2 tenant, 3 version it gets, 4 version expected ('' for none; of a claim: that may have ended), 5 channel, 6 message,
--         7 the meeting's id ('' if unknown), 8 state | '1' if a move leaves a tomb, 9 what the instance calls the meeting
--         ('' if that is no news), 10 the set of the records in which the tenant has meetings ('' in a Cluster), 11 how
--         many it may have ('' if unbounded), 12... candidates, best first
-- Answers a word and the route it is about, if any.
local what, tenant, version, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local meeting = ARGV[7] ~= '' and ARGV[7] or nil
local internal = ARGV[9] and ARGV[9] ~= '' and ARGV[9] or nil
local pool = ARGV[10] and ARGV[10] ~= '' and ARGV[10] or nil
local most = tonumber(ARGV[11])

-- One form of all spellings of an instance, as InstanceId has it, but for what only a library knows of hosts.
local function normal(url)
  local scheme, host, path = url:match('^(%a[%w+.-]*)://([^/]*)(.*)$')
  if not scheme then return url end
  scheme, host = scheme:lower(), host:lower()
  host = host:gsub(scheme == 'https' and ':443$' or ':80$', ''):gsub('%.$', ''):gsub('%.(:%d+)$', '%1')
  path = path:gsub('/+$', ''):gsub('/api$', ''):gsub('/+$', '')
  return scheme .. '://' .. host .. path
end

-- The routes of other tenants.
local function others()
  local routes, record = {}, redis.call('HGETALL', KEYS[1])
  for i = 1, #record, 2 do
    if record[i] ~= tenant then routes[#routes + 1] = cjson.decode(record[i + 1]) end
  end
  return routes
end

local function first_free()
  local held = {}
  for _, route in ipairs(others()) do
    held[normal(route.instance)] = true
    if route.left then held[normal(route.left)] = true end
  end
  for i = 12, #ARGV do
    if not held[normal(ARGV[i])] then return ARGV[i] end
  end
end

-- The list of tombs without one instance and, at its end, with another; nil when it is empty,
-- since an empty table would become an object.
local function tombs_of(route, without, added)
  local tombs, has = {}, { [without and normal(without) or ''] = true }
  local function add(tomb)
    if not has[normal(tomb)] then tombs[#tombs + 1] = tomb; has[normal(tomb)] = true end
  end
  for _, tomb in ipairs(route and route.tombs or {}) do add(tomb) end
  if added then add(added) end
  if #tombs > 0 then return tombs end
end

-- What follows on the predecessor's key must not end the step: pcall, whatever is there.
local function name(instance)
  if KEYS[2] then redis.pcall('SET', KEYS[2], instance) end
end

-- Whether the key names this instance.
local function names(instance)
  return KEYS[2] and instance and redis.pcall('GET', KEYS[2]) == instance
end

-- The key no longer names this instance, but that of another tenant's meeting of this id, if one lives.
local function unname(instance)
  if not names(instance) then return end
  local readable, routes = pcall(others)
  for _, route in ipairs(readable and routes or {}) do
    if route.state == 'confirmed' then return name(route.instance) end
  end
  redis.pcall('DEL', KEYS[2])
end

-- What became of the route that stood before, if one did.
local function tell(route)
  local was = expected ~= '' and expected or nil
  local became = cjson.encode({ tenant = tenant, was = was, route = route })
  redis.pcall('PUBLISH', ARGV[5], ARGV[6] .. ' ' .. became)
end

local function store(word, route)
  route.version = version
  local text = cjson.encode(route)
  redis.call('HSET', KEYS[1], tenant, text)
  tell(route)
  return { word, text }
end

-- How many meetings the tenant has beside this one.
local function others_in_pool()
  return redis.call('SCARD', pool) - redis.call('SISMEMBER', pool, KEYS[1])
end

-- Whether the tenant has as many as it may beside this one. What has ended meanwhile, by whomever, is looked for only then.
local function is_full()
  if not pool or not most or others_in_pool() < most then return false end
  for _, key in ipairs(redis.call('SMEMBERS', pool)) do
    local text = redis.call('HGET', key, tenant)
    if not text or cjson.decode(text).state == 'ending' then redis.call('SREM', pool, key) end
  end
  return others_in_pool() >= most
end

-- From now on this meeting counts. One that was found or moved counts for every tenant, which may be bounded later.
local function count()
  if not pool then return end
  redis.call('SADD', pool, KEYS[1])
  redis.call('EXPIRE', pool, 2592000)
end

local present = redis.call('HGET', KEYS[1], tenant)

if what == 'claim' then
  local readable, stands = pcall(cjson.decode, present or '{}')
  local has_ended = readable and stands.state == 'ending' and stands.version == expected
  if present and not has_ended then return { 'existing', present } end
  if not present then expected = '' end
  if is_full() then return { 'full' } end
  local home = first_free()
  if not home then return { 'taken' } end
  if most then count() end
  return store('new', { instance = home, state = 'claimed', meeting = meeting })
end

local route = present and cjson.decode(present)
if (route and route.version or '') ~= expected then
  return present and { 'lost', present } or { 'lost' }
end

if what == 'removed' and route and route.left then
  -- What was claimed elsewhere lives where it did before.
  local left = route.left
  name(left)
  local tombs = tombs_of(route, left)
  return store('done', { instance = left, state = 'confirmed', tombs = tombs, meeting = route.meeting })
end

if what == 'removed' then
  if redis.call('HDEL', KEYS[1], tenant) > 0 then
    tell(nil)
    unname(route.instance)
    if pool then redis.call('SREM', pool, KEYS[1]) end
  end
  return { 'done' }
end

if what == 'moved' or what == 'adopted' then
  if is_full() then return { 'full' } end
  local home = first_free()
  if not home then return { 'taken' } end
  count()
  local moved, from = what == 'moved', route and route.instance
  local tombs = tombs_of(route, home, moved and ARGV[8] == '1' and from or nil)
  -- A claim has no key yet: it is named when it is confirmed.
  if not moved or names(from) then name(home) end
  local next = { instance = home, tombs = tombs, meeting = meeting }
  next.state = moved and 'claimed' or 'confirmed'
  if not moved then next.internal = internal end
  if moved and route then next.left = route.state == 'confirmed' and from or route.state == 'claimed' and route.left or nil end
  return store('done', next)
end

if not route then return { 'lost' } end
route.state = ARGV[8]
route.internal = internal or route.internal
route.tombs = tombs_of(route)
if route.state ~= 'claimed' then route.left = nil end
if route.state == 'confirmed' then name(route.instance) end
if route.state == 'ending' then unname(route.instance) end
return store('done', route)
