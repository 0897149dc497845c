-- Commits a batch of incidents, each by compare-and-set on its stored revision.
-- ARGV: prefix, msgpack of what follows, then the incidents themselves, one an item ('' where none changed)
--   (bytes beside it, not in it: cmsgpack knows no binary type)
--   {seen = name of the present set of event ids, seen_ttl = s,
--   items = {{fingerprint, number, revision read (0: none), ttl ms (0: as it is, -1: none any more),
--             {{destination, delay ms}, …}, {event id, …}, ttl ms of the incident before, trace id,
--             {line of the chain, …}, {how many were duplicates, the last's time ms, its trace id},
--             {{recovery action, delay ms, spell of firing}, …}}, …},
--   entries = {{inbox entry id, {index of item, …}}, …},
--   counts = {{name, n}, …}}
-- Returns: {index of each item in conflict, …}, {destination to ring, …}
local batch = cmsgpack.unpack(ARGV[2])
local conflicts, conflicted, bells, events = {}, {}, {}, {}

-- What is due is added at the end, one ZADD for each index and mode: a call costs more than what it does.
local added = {}
local function add(index, mode, at, id)
  local key = prefix .. index .. mode
  local one = added[key] or {prefix .. index, mode}
  added[key] = one
  one[#one + 1], one[#one + 2] = at, id
end
local function want_later(a, key, id, destination, at)  -- as `want`, with the attempt at hand
  if not is_canary(id) then add('owed:' .. destination, 'LT', math.max(at, now), id) end
  if a and a.lease > 0 then wait_for_attempt(key, destination, at)
  else add('due:' .. destination, a and 'NX' or 'LT', at, id) end
end
local function add_all()
  for _, one in pairs(added) do
    for first = 3, #one, 1000 do  -- unpack has room for some thousands
      redis.call('ZADD', one[1], one[2], unpack(one, first, math.min(first + 999, #one)))
    end
  end
end

for index, item in ipairs(batch.items) do
  local fingerprint, number, revision, ttl, dues, heard, old_ttl, trace, lines, repeated, recoveries = unpack(item)
  local incident = ARGV[index + 2]
  local key = prefix .. 'i:' .. fingerprint
  local asked = {'v', 'n'}
  for i, due in ipairs(dues) do asked[i + 2] = 'a:' .. due[1] end
  local known = redis.call('HMGET', key, unpack(asked))
  local stored = tonumber(known[1] or 0)
  if stored ~= revision then
    conflicts[#conflicts + 1] = index
    conflicted[index] = true
  else
    if incident ~= '' then
      local current = tonumber(known[2] or number)
      if current < number then  -- the problem came back as a new incident: the old one moves aside
        redis.call('RENAME', key, key .. ':' .. current)
        redis.call('PEXPIRE', key .. ':' .. current, old_ttl)
        known = {}
      end
      if stored == 0 and #lines > 0 and #lines <= NOTHING_TO_COMPARE then
        redis.call('HSET', key, 'n', number, 'v', revision + 1, 'i', incident, 't', trace, 'y', table.concat(lines, '\n'))
        lines = {}
      else
        redis.call('HSET', key, 'n', number, 'v', revision + 1, 'i', incident, 't', trace)
      end
      if ttl > 0 then redis.call('PEXPIRE', key, ttl)
      elseif ttl < 0 then redis.call('PERSIST', key) end
    end
    if incident ~= '' or stored > 0 then
      if #lines > 0 then tell(key, lines) end
      if repeated[1] > 0 then
        redis.call('HINCRBY', key, 'd', repeated[1])
        redis.call('HSET', key, 'l', repeated[2] .. '|' .. repeated[3])
      end
    end
    local id = fingerprint .. '-' .. number
    for i, due in ipairs(dues) do
      want_later(attempt_of(known[i + 2]), key, id, due[1], now + due[2])
      if due[2] <= 0 then bells[due[1]] = true end
    end
    for _, one in ipairs(recoveries) do
      local action, delay, spell = unpack(one)
      local ran = run(key, action)
      if not ran or ran.spell < spell then  -- one run for each spell of firing
        redis.call('ZADD', prefix .. 'due:recover:' .. action, 'LT', now + delay, id .. ':' .. spell)
        if delay <= 0 then bells['recover:' .. action] = true end
      end
    end
    for _, event in ipairs(heard) do events[#events + 1] = event end
  end
end
add_all()
local rings = {}
for name in pairs(bells) do
  if ring(name) then rings[#rings + 1] = name end
end
for first = 1, #events, 1000 do  -- unpack has room for some thousands
  redis.call('SADD', batch.seen, unpack(events, first, math.min(first + 999, #events)))
end
redis.call('EXPIRE', batch.seen, batch.seen_ttl)

local done = {}
for _, entry in ipairs(batch.entries) do
  local whole = true
  for _, index in ipairs(entry[2]) do whole = whole and not conflicted[index] end
  if whole then done[#done + 1] = entry[1] end
end
if #done > 0 then
  redis.call('XACK', prefix .. 'inbox', 'workers', unpack(done))
  redis.call('XDEL', prefix .. 'inbox', unpack(done))
end
for _, count in ipairs(batch.counts) do redis.call('HINCRBY', prefix .. 'counts', count[1], count[2]) end
return {conflicts, rings}
