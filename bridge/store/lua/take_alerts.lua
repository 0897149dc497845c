-- Takes a batch from the inbox: first what another worker took and never finished, then what is new.
-- ARGV: prefix, consumer, how many at the most, idle ms after which a taken entry counts as abandoned,
--       bytes of bodies after which no more are taken
-- Returns: now in µs, {{entry id, body, trace id of the request}, …}, 1 if there may be more
local inbox, limit, budget = ARGV[1] .. 'inbox', tonumber(ARGV[3]), tonumber(ARGV[5])
local bodies, size, cursor = {}, 0, '0'

local function abandoned(count)  -- a call looks at ten times as many; behind those may be some that nobody works on
  for _ = 1, 25 do
    if cursor == '0-0' then return {} end
    local found = redis.call('XAUTOCLAIM', inbox, 'workers', ARGV[2], ARGV[4], cursor, 'COUNT', count)
    cursor = found[1]
    if #found[2] > 0 then return found[2] end
  end
  return {}
end
local function new(count)
  local found = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[2], 'COUNT', count, 'STREAMS', inbox, '>')
  return found and found[1] and found[1][2] or {}
end

-- How large an entry is shows only when it is taken: a few, then as many as fit if they are like those, step by step.
local function room()
  local n = #bodies
  if n == 0 then return math.min(limit, 4) end
  if size >= budget then return 0 end
  return math.min(limit - n, 4 * n, math.max(1, math.floor((budget - size) * n / math.max(size, 1))))
end
local function take(read)
  while room() > 0 do
    local asked = room()
    local entries = read(asked)
    for _, entry in ipairs(entries) do
      local fields = entry[2] or {}
      bodies[#bodies + 1] = {entry[1], fields[2] or false, fields[4] or ''}  -- false: deleted meanwhile
      size = size + #(fields[2] or '')
    end
    if #entries < asked then return 0 end
  end
  return 1
end

local function both()
  take(abandoned)
  return #bodies > 0 and 1 or take(new)  -- behind abandoned ones new ones may wait
end
local ok, more = pcall(both)
if not ok then  -- the group is gone (a new or flushed store): make it, from the very first entry on
  local reason = type(more) == 'table' and more.err or tostring(more)
  if not string.find(reason, 'NOGROUP') then return redis.error_reply(reason) end
  redis.call('XGROUP', 'CREATE', inbox, 'workers', '0', 'MKSTREAM')
  more = take(new)
end
-- Who finds more looks again, so nobody has to be rung for meanwhile.
if more == 0 then redis.call('DEL', ARGV[1] .. 'rung:') end
local now = redis.call('TIME')
return {now[1] * 1000000 + now[2], bodies, more}
