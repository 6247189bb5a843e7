-- Changes the instances or the tenants if they are in the state that is expected.
-- KEYS 1 epoch   2 revisions   3 bases   4 the sender's own revisions   5... what is changed
-- ARGV 1 instances | tenants   2 epoch expected   3 revision expected   4 'exactly' | 'at least'
--      5 an epoch, should none be drawn   6 the revision it gets ('' for the next)   7 the epoch it had that revision in
--      8 seconds for which own revisions are kept   9 channel   10 message   11 commands, as JSON
-- Answers epoch, revision, base and what the last command answered; nothing when the state is another.
local what = ARGV[1]
local epoch = redis.call('GET', KEYS[1]) or ''
local revision, expected = tonumber(redis.call('HGET', KEYS[2], what) or '0'), tonumber(ARGV[3])
if epoch ~= ARGV[2] or revision < expected then return {} end
if ARGV[4] == 'exactly' and revision ~= expected then return {} end

if epoch == '' then
  epoch = ARGV[5]
  redis.call('SET', KEYS[1], epoch)
end
local answer = ''
for _, command in ipairs(cjson.decode(ARGV[11])) do answer = redis.call(unpack(command)) end
if ARGV[6] == '' then
  revision = redis.call('HINCRBY', KEYS[2], what, 1)
else
  revision = ARGV[6]
  redis.call('HSET', KEYS[2], what, revision)
  redis.call('HSET', KEYS[3], what, ARGV[7])
end
redis.call('HINCRBY', KEYS[4], what, 1)
redis.call('EXPIRE', KEYS[4], ARGV[8])
redis.pcall('PUBLISH', ARGV[9], ARGV[10])
if type(answer) == 'table' then answer = answer.ok or '' end
return { epoch, tostring(revision), redis.call('HGET', KEYS[3], what) or '', tostring(answer) }
