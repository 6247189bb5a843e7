-- Takes one step on one record of routes, as take.rs does.
-- KEYS[1] the record: a hash, tenant -> route as JSON
-- ARGV    1 what, 2 tenant, 3 version it gets, 4 version expected ('' for none), 5 channel, 6 message,
--         7 state | instance | '1' if a move leaves a tomb, 8... candidates, best first
-- Answers a word and the route it is about, if any.
local what, tenant, version, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function first_free(from)
  local held, record = {}, redis.call('HGETALL', KEYS[1])
  for i = 1, #record, 2 do
    if record[i] ~= tenant then held[cjson.decode(record[i + 1]).instance] = true end
  end
  for i = from, #ARGV do
    if not held[ARGV[i]] then return ARGV[i] end
  end
end

-- The list of tombs without one instance and, at its end, with another; nil when it is empty,
-- since an empty table would become an object.
local function tombs_of(route, without, added)
  local tombs, has = {}, {}
  for _, tomb in ipairs(route and route.tombs or {}) do
    if tomb ~= without then tombs[#tombs + 1] = tomb; has[tomb] = true end
  end
  if added and added ~= without and not has[added] then tombs[#tombs + 1] = added end
  if #tombs > 0 then return tombs end
end

local function tell()
  redis.pcall('PUBLISH', ARGV[5], ARGV[6])
end

local function store(word, route)
  route.version = version
  local text = cjson.encode(route)
  redis.call('HSET', KEYS[1], tenant, text)
  tell()
  return { word, text }
end

local present = redis.call('HGET', KEYS[1], tenant)

if what == 'claim' then
  if present then return { 'existing', present } end
  local home = first_free(8)
  if not home then return { 'taken' } end
  return store('new', { instance = home, state = 'claimed' })
end

local route = present and cjson.decode(present)
if (route and route.version or '') ~= expected then
  return present and { 'lost', present } or { 'lost' }
end

if what == 'removed' then
  if redis.call('HDEL', KEYS[1], tenant) > 0 then tell() end
  return { 'done' }
end

if what == 'moved' or what == 'adopted' then
  local home = first_free(8)
  if not home then return { 'taken' } end
  local left = what == 'moved' and ARGV[7] == '1' and route and route.instance or nil
  local state = what == 'moved' and 'claimed' or 'confirmed'
  return store('done', { instance = home, state = state, tombs = tombs_of(route, home, left) })
end

if not route then return { 'lost' } end
if what == 'state' then
  route.state = ARGV[7]
  route.tombs = tombs_of(route)
else
  route.tombs = tombs_of(route, ARGV[7])
end
return store('done', route)
