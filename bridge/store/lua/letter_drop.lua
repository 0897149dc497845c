-- Drops a dead letter; of a delivery's, the incident's chain tells it.
-- ARGV: prefix, name of the letter, id of the incident or '' for a request's, line of the chain
-- Returns: 1 if there was one
local size = redis.call('HSTRLEN', prefix .. 'dead', ARGV[2])
if not forget(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('DECRBY', prefix .. 'dead:bytes', size)
  redis.call('DECR', prefix .. 'dead:requests')
else
  local key = record(ARGV[3])
  if redis.call('EXISTS', key) == 1 then tell(key, {ARGV[4]}) end
end
redis.call('HINCRBY', prefix .. 'counts', 'dead_letters_dropped', 1)
return 1
