-- Makes a rejected delivery due again; its letter stays until the delivery is done.
-- ARGV: prefix, name of the letter, id of the incident, destination, letter as it is now, line of the chain
-- Returns: 1 if it is due, 0 if there is no such letter, -1 if its incident is forgotten; then {destination to ring}
local id, destination = ARGV[3], ARGV[4]
local letters = prefix .. 'dead'
if redis.call('HEXISTS', letters, ARGV[2]) == 0 then return {0, {}} end
local key = record(id)
if redis.call('EXISTS', key) == 0 then return {-1, {}} end
redis.call('HSET', letters, ARGV[2], ARGV[5])
want(key, id, destination, now)
tell(key, {ARGV[6]})
if ring(destination) then return {1, {destination}} end
return {1, {}}
