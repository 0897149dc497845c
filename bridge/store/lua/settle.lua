-- Shared by `turn`: settles one attempt, if it still holds the lease it was made under.
--   id, token, outcome, delay ms, doubt (keep | clear | set), receipt or '', '1' if the receipt's link is new,
--   dead letter or '', ms for which the destination is left alone (0: not), its fallback or '', reason, the record's
--   revision as it was taken, its incident packed or '', lines of the chain, destinations to ring (added to),
--   deliveries' dead letters at the most
--   outcome: done (up to date) | wait (not tried) | retry (not applied) | unknown | dead
-- Returns: 0 if another attempt took over, 1 if settled, 2 if there was no room for the letter
local function settle(destination, id, token, outcome, delay, doubt, receipt, relinked, letter, hold, fallback, reason,
                      revision, packed, lines, rings, most)
  local key = record(id)
  local due = prefix .. 'due:' .. destination
  local a = attempt(key, destination)
  if not a or a.token ~= token then return 0 end
  local code = 1

  if receipt ~= '' then redis.call('HSET', key, 'r:' .. destination, receipt) end
  if packed ~= '' and redis.call('HGET', key, 'v') == revision then redis.call('HSET', key, 'i', packed) end
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
    redis.call('ZREM', prefix .. 'owed:' .. destination, id)
    if wanted < math.huge then
      owe(id, destination, wanted)
      redis.call('ZADD', due, wanted, id)
      if wanted <= now and ring(destination) then rings[#rings + 1] = destination end
    else
      redis.call('ZREM', due, id)
    end
  else
    if outcome == 'wait' and a.doubt == 0 then
      redis.call('HDEL', key, 'a:' .. destination)
      delay = math.min(delay, wanted - now)
      redis.call('ZADD', prefix .. 'owed:' .. destination, 'XX', now + math.max(delay, 0), id)
    else
      keep(key, destination, a)
    end
    redis.call('ZADD', due, now + delay, id)
  end

  local tried = outcome == 'dead' or (outcome == 'done' and receipt ~= '')
  -- The fifth failure in a row opens the circuit, a second longer each time; then one delivery at a time is a probe.
  local failing = prefix .. 'failing:' .. destination
  if outcome == 'unknown' or outcome == 'retry' then
    local times = redis.call('INCR', failing)
    redis.call('EXPIRE', failing, 3600)
    if hold == 0 and times >= 5 then hold = math.min(1000 * (times - 4), 10000) end
  elseif tried then
    redis.call('DEL', failing)
  end
  local probe = prefix .. 'probe:' .. destination
  if hold > 0 then  -- since when, and why: for the alert about it
    local since = string.match(redis.call('GET', probe) or '', '^(%d+)|') or string.format('%d', now)
    redis.call('SET', prefix .. 'hold:' .. destination, '1', 'PX', hold)
    redis.call('SET', probe, since .. '|' .. reason)
  elseif tried then
    redis.call('DEL', probe)
  end

  local letters = prefix .. 'dead'
  if outcome == 'done' then
    redis.call('HDEL', key, 'x:' .. destination)
    forget(id .. '@' .. destination)
  elseif letter ~= '' then
    local name = id .. '@' .. destination
    local others = redis.call('HLEN', letters) - tonumber(redis.call('GET', prefix .. 'dead:requests') or 0)
    if others < most or redis.call('HEXISTS', letters, name) == 1 then
      redis.call('HSET', letters, name, letter)
    else  -- the incident's chain goes on saying that it was rejected, and a change of it tries it again
      shed()
      code = 2
      lines[#lines + 1] = string.format('%d|S|%s|0||||', now, destination)
    end
    -- The first refusal hands it to the fallback, unless that one hears of it anyway, or refused it too.
    local first = redis.call('HSETNX', key, 'x:' .. destination, '1') == 1
    local known = 0
    for _, field in ipairs({'r:', 'a:', 'x:'}) do known = known + redis.call('HEXISTS', key, field .. fallback) end
    if fallback ~= '' and first and known == 0 then
      redis.call('HSET', key, 'f:' .. fallback, destination)
      want(key, id, fallback, now)
      if ring(fallback) then rings[#rings + 1] = fallback end
      lines[#lines + 1] = string.format('%d|B|%s|0||||%s', now, fallback, destination)
    end
  end
  if #lines > 0 then tell(key, lines) end
  if not is_canary(id) then
    redis.call('HINCRBY', prefix .. 'counts', 'delivery:' .. destination .. ':' .. outcome, 1)
  end
  return code
end
