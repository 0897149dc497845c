-- Keeps a request's dead letter, if there is room.
-- ARGV: prefix, id, letter, letters of requests at the most, their bytes at the most
-- Returns: 1 if it is kept, 0 if it was counted as shed
local dead, size, number = prefix .. 'dead', prefix .. 'dead:bytes', prefix .. 'dead:requests'
local before = redis.call('HSTRLEN', dead, ARGV[2])
local more = #ARGV[3] - before
local full = before == 0 and tonumber(redis.call('GET', number) or 0) >= tonumber(ARGV[4])
if full or tonumber(redis.call('GET', size) or 0) + more > tonumber(ARGV[5]) then
  shed()
  return 0
end
redis.call('HSET', dead, ARGV[2], ARGV[3])
redis.call('INCRBY', size, more)
if before == 0 then redis.call('INCR', number) end
return 1
