-- Notes what a run saw, and puts what is worth saying into the inbox; nothing if another run was begun since.
-- ARGV: prefix, name, token, record, result ("ok" or the fault), 1 if the target is down,
--       body for the inbox ('': nothing to say), trace id, inbox entries above which it is left unsaid (0: no limit)
-- Returns: 0 if another run was begun, 1 if it is noted, 2 if a bell is to be rung for the inbox too
local name, inbox = ARGV[2], prefix .. 'inbox'
local run = redis.call('HGET', prefix .. 'checks:runs', name)
local token, next_slot = string.match(run or '', '^(%d+):(%d+)$')
if token ~= ARGV[3] then return 0 end
redis.call('HSET', prefix .. 'checks:record', name, ARGV[4])
redis.call('HINCRBY', prefix .. 'counts', 'check:' .. ARGV[5], 1)
redis.call('ZADD', prefix .. 'checks:due', 'XX', next_slot, name)
redis.call('HDEL', prefix .. 'checks:runs', name)
redis.call(ARGV[6] == '1' and 'SADD' or 'SREM', prefix .. 'checks:down', name)
local limit = tonumber(ARGV[9])
if ARGV[7] == '' or (limit > 0 and redis.call('XLEN', inbox) >= limit) then return 1 end
redis.call('XADD', inbox, '*', 'a', ARGV[7], 't', ARGV[8])
return ring('') and 2 or 1
