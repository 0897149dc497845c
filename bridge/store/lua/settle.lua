-- Settles one attempt, if it still holds the lease it was made under.
-- ARGV: prefix, id, destination, token, outcome, delay ms, doubt (keep | clear | set), receipt or '',
--       '1' if the receipt's link is new, dead letter or '', '1' if the whole destination can't be served
--   outcome: done (up to date) | wait (not tried) | retry (not applied) | unknown | dead
-- Returns: 1 if settled, 0 if another attempt took over; then {destination to ring, …}
local id, destination, token, outcome, delay = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local doubt, receipt, relinked, letter, blocked = ARGV[7], ARGV[8], ARGV[9] == '1', ARGV[10], ARGV[11] == '1'
local key = record(id)
local due = prefix .. 'due:' .. destination
local a = attempt(key, destination)
if not a or a.token ~= token then return {0, {}} end
local rings = {}

if receipt ~= '' then redis.call('HSET', key, 'r:' .. destination, receipt) end
if relinked then  -- the others are to show where this one is
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local _, other = string.match(field, '^([ra]):(.+)$')
    if other and other ~= destination then
      want(key, id, other, now)
      if ring(other) then rings[#rings + 1] = other end
    end
  end
end

if doubt == 'clear' then a.doubt = 0
elseif doubt == 'set' and a.doubt == 0 then a.doubt = a.began end
a.lease = 0
local wanted = tonumber(redis.call('HGET', key, 'w:' .. destination) or 'inf')
redis.call('HDEL', key, 'w:' .. destination)

if outcome == 'done' or outcome == 'dead' then
  redis.call('HDEL', key, 'a:' .. destination)
  if wanted < math.huge then
    redis.call('ZADD', due, wanted, id)
    if wanted <= now and ring(destination) then rings[#rings + 1] = destination end
  else
    redis.call('ZREM', due, id)
  end
else
  if outcome == 'wait' and a.doubt == 0 then
    redis.call('HDEL', key, 'a:' .. destination)
    delay = math.min(delay, wanted - now)
  else
    keep(key, destination, a)
  end
  redis.call('ZADD', due, now + delay, id)
end

if blocked then
  redis.call('SET', prefix .. 'hold:' .. destination, '1', 'PX', math.max(1, delay))
  redis.call('SET', prefix .. 'probe:' .. destination, '1')
elseif outcome == 'done' or outcome == 'dead' then
  redis.call('DEL', prefix .. 'probe:' .. destination)
end
if letter ~= '' then redis.call('HSET', prefix .. 'dead', id .. '@' .. destination, letter) end
redis.call('HINCRBY', prefix .. 'counts', 'delivery:' .. destination .. ':' .. outcome, 1)
return {1, rings}
