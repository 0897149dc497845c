-- Writes one heartbeat by compare-and-set on its stored revision, and with it what is said of it into the inbox.
-- ARGV: prefix, name, revision read (0: none), record or '' (forget it), plan, when to look at it ('+inf': not), statement
--       as it lies in the inbox or '', then name and number of each count
-- Returns: 1 if written, 0 if somebody else has written since
local name, revision, record, plan, score, said = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key, index = ARGV[1] .. 'beat:' .. name, ARGV[1] .. 'beats'
if tonumber(redis.call('HGET', key, 'v') or 0) ~= revision then return 0 end
if record == '' then
  redis.call('DEL', key)
  redis.call('ZREM', index, name)
else
  redis.call('HSET', key, 'v', revision + 1, 'r', record, 'p', plan)
  redis.call('ZADD', index, score, name)
end
if said ~= '' then redis.call('XADD', ARGV[1] .. 'inbox', '*', 'a', said, 't', '') end
for i = 8, #ARGV, 2 do redis.call('HINCRBY', ARGV[1] .. 'counts', ARGV[i], ARGV[i + 1]) end
return 1
