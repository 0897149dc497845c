-- Keeps a request's dead letter, if there is room.
-- ARGV: prefix, id, letter, letters at the most, bytes at the most
-- Returns: 1 if it is kept, 0 if it was counted as shed
local dead, size = ARGV[1] .. 'dead', ARGV[1] .. 'dead:bytes'
local before = redis.call('HSTRLEN', dead, ARGV[2])
local more = #ARGV[3] - before
local full = before == 0 and redis.call('HLEN', dead) >= tonumber(ARGV[4])
if full or tonumber(redis.call('GET', size) or 0) + more > tonumber(ARGV[5]) then
  redis.call('HINCRBY', ARGV[1] .. 'counts', 'dead_letters_shed', 1)
  return 0
end
redis.call('HSET', dead, ARGV[2], ARGV[3])
redis.call('INCRBY', size, more)
return 1
