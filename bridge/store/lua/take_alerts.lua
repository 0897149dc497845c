-- Takes a batch from the inbox: first what another worker took and never finished, then what is new.
-- ARGV: prefix, consumer, how many, idle ms after which a taken entry counts as abandoned
-- Returns: now in µs, {{entry id, body, trace id of the request}, …}
local inbox = ARGV[1] .. 'inbox'
local function read()
  local stale = redis.call('XAUTOCLAIM', inbox, 'workers', ARGV[2], ARGV[4], '0', 'COUNT', ARGV[3])[2]
  if #stale > 0 then return stale end
  local new = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[2], 'COUNT', ARGV[3], 'STREAMS', inbox, '>')
  return new and new[1] and new[1][2] or {}
end
local ok, entries = pcall(read)
if not ok then  -- the group is gone (a new or flushed store): make it, from the very first entry on
  local reason = type(entries) == 'table' and entries.err or tostring(entries)
  if not string.find(reason, 'NOGROUP') then return redis.error_reply(reason) end
  redis.call('XGROUP', 'CREATE', inbox, 'workers', '0', 'MKSTREAM')
  entries = read()
end
local bodies = {}
for i, entry in ipairs(entries) do
  local fields = entry[2] or {}
  bodies[i] = {entry[1], fields[2] or false, fields[4] or ''}  -- false: deleted meanwhile
end
redis.call('DEL', ARGV[1] .. 'rung:')
local now = redis.call('TIME')
return {now[1] * 1000000 + now[2], bodies}
