-- Writes the intent of one run, if nothing speaks against it: what follows it may happen once, or not at all.
-- ARGV: prefix, action, id, spell, revision read, due ms, lease ms, ledger, target's digest, cool-down ms, per hour,
--       per incident, ms that the inbox may be behind, then lines of the chain
-- Returns: {'begun', token} | {'changed'} (look again) | {'busy'} (the run before is not ended)
--        | {'behind'} (what resolves it may lie in the inbox)
--        | {'cool', ms of the run before} | {'hour', how many, ms when the first of them is an hour old}
--        | {'incident', how many}
local action, id, spell, revision, due_at = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local lease, ledger, target, cool = tonumber(ARGV[7]), ARGV[8], ARGV[9], tonumber(ARGV[10])
local per_hour, per_incident, behind = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local due = prefix .. 'due:recover:' .. action
local member = id .. ':' .. spell
local key = record(id)
local score = tonumber(redis.call('ZSCORE', due, member) or 'inf')
local known = run(key, action)
if score > now or tonumber(redis.call('HGET', key, 'v') or 0) ~= revision then return {'changed'} end
if known and known.spell >= spell then return {'changed'} end
if known and known.state == 'open' then  -- the run before, which is ended or given up by then
  redis.call('ZADD', due, known.lease + 1, member)
  return {'busy'}
end

local ran, cooling = prefix .. 'ran:' .. ledger, prefix .. 'cool:' .. ledger .. ':' .. target
local last = tonumber(string.match(redis.call('GET', cooling) or '', '^%d+'))
if last and now - last < cool then return {'cool', last} end
redis.call('ZREMRANGEBYSCORE', ran, '-inf', now - 3600000)
local count = redis.call('ZCARD', ran)
if count >= per_hour then
  local first = redis.call('ZRANGE', ran, -per_hour, -per_hour, 'WITHSCORES')
  return {'hour', count, tonumber(first[2]) + 3600000}
end
local runs = known and known.runs or 0
if runs >= per_incident then return {'incident', runs} end

-- What was accepted before the run was first asked for is read before it begins, for a resolution among it wins; and then
-- once more, for the resolution that follows from a ping comes into the inbox while that is read. In a storm the inbox
-- is never empty: its oldest entry only has to be newer.
local asked = 'ask:' .. action
local function ask(round)
  redis.call('HSET', key, asked, string.format('%d:%d:%d', spell, now, round))
  return {'behind'}
end
local oldest = redis.call('XRANGE', prefix .. 'inbox', '-', '+', 'COUNT', 1)[1]
if oldest then
  local accepted = tonumber(string.match(oldest[1], '^%d+'))
  local of, at, round = string.match(redis.call('HGET', key, asked) or '', '^(%d+):(%d+):(%d)$')
  if tonumber(of) ~= spell then return ask(1) end
  if accepted <= tonumber(at) or now - accepted > behind then return {'behind'} end
  if round == '1' then return ask(2) end
end

local token = string.format('%d', redis.call('INCR', prefix .. 'token'))
redis.call('ZADD', ran, now, token)
redis.call('PEXPIRE', ran, 3600000)
if cool > 0 then redis.call('SET', cooling, string.format('%d|%s', now, token), 'PX', cool) end
note_run(key, action, {spell = spell, token = token, state = 'open', lease = now + lease, due = due_at, runs = runs + 1})
redis.call('HDEL', key, asked)
redis.call('ZADD', due, now + lease, member)
tell(key, {unpack(ARGV, 14)})
return {'begun', token}
