-- Forgets a check that no worker has any more, and says so if its target was down.
-- ARGV: prefix, name, ms after which a check that no worker has counts as removed, record as it was read,
--       body for the inbox ('': nothing to say)
-- Returns: 1 if it is forgotten
local name = ARGV[2]
local claimed = tonumber(redis.call('ZSCORE', prefix .. 'checks:claimed', name) or nil)
if not claimed or claimed > now - tonumber(ARGV[3]) then return 0 end
if (redis.call('HGET', prefix .. 'checks:record', name) or '') ~= ARGV[4] then return 0 end
if ARGV[5] ~= '' then
  redis.call('XADD', prefix .. 'inbox', '*', 'a', ARGV[5], 't', '')
  ring('')
end
redis.call('ZREM', prefix .. 'checks:claimed', name)
redis.call('ZREM', prefix .. 'checks:due', name)
redis.call('HDEL', prefix .. 'checks:runs', name)
redis.call('HDEL', prefix .. 'checks:record', name)
redis.call('SREM', prefix .. 'checks:down', name)
return 1
