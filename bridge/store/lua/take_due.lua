-- Shared by `turn`: takes up to `limit` due deliveries of one destination, each under a lease fenced by a token.
--   lease in ms; interval: ms between deliveries (0: no limit); burst: how many may go at once; under_way: how many
--   attempts the caller has not settled yet
-- Returns: {{id, token, attempts before this, doubt ms, end of a lapsed lease ms, {field, value, …}, previous receipt}, …}
local function take_due(destination, limit, under_way, lease, interval, burst)
  local due = prefix .. 'due:' .. destination
  local taken = {}
  -- A destination that can't be served is left alone, then probed with one delivery at a time.
  if redis.call('EXISTS', prefix .. 'hold:' .. destination) == 1 then limit = 0
  elseif redis.call('EXISTS', prefix .. 'probe:' .. destination) == 1 then limit = under_way == 0 and 1 or 0 end
  -- The pace (GCRA): `rate` is the time by which all that went out would have gone one by one.
  local behind = now
  if interval > 0 then
    behind = math.max(now, tonumber(redis.call('GET', prefix .. 'rate:' .. destination) or 0))
    local room = math.floor((now - behind) / interval) + burst
    limit = math.max(0, math.min(limit, room))
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)) do
    local key, fingerprint, number = record(id)
    if redis.call('EXISTS', key) == 0 then
      redis.call('ZREM', due, id)  -- closed so long ago that it was forgotten
      redis.call('ZREM', prefix .. 'owed:' .. destination, id)
    else
      local a = attempt(key, destination)
      if not a then
        a = {attempts = 0, lease = 0, began = 0, doubt = 0}
        -- Whoever read the incident before this decided as if the destination knew of nothing: let him read anew.
        if redis.call('HEXISTS', key, 'r:' .. destination) == 0 then redis.call('HINCRBY', key, 'v', 1) end
      end
      -- A lease that lapsed without a settlement: nobody knows what that attempt did.
      if a.lease > 0 and a.doubt == 0 then a.doubt = a.began end
      local lapsed = a.lease
      a.token = string.format('%d', redis.call('INCR', prefix .. 'token'))
      a.lease, a.began = now + lease, now
      a.attempts = a.attempts + 1
      keep(key, destination, a)
      redis.call('HDEL', key, 'w:' .. destination)
      redis.call('ZADD', due, a.lease, id)
      local before = number > 1 and redis.call('HGET',
        prefix .. 'i:' .. fingerprint .. ':' .. (number - 1), 'r:' .. destination)
      taken[#taken + 1] = {id, a.token, a.attempts - 1, a.doubt, lapsed, redis.call('HGETALL', key), before}
    end
  end
  if interval > 0 and #taken > 0 then
    behind = math.floor(behind + #taken * interval)
    redis.call('SET', prefix .. 'rate:' .. destination, string.format('%d', behind), 'PX', behind - now + 1000)
  end
  redis.call('DEL', prefix .. 'rung:' .. destination)
  return taken
end
