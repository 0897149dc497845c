-- Looks for runs that are due; takes nothing.
-- ARGV: prefix, how many
-- Returns: ms until the next one after those (-1: there is none), {name, …}
local due = prefix .. 'checks:due'
local names = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[2])
local following = redis.call('ZRANGEBYSCORE', due, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {following[2] and tonumber(following[2]) - now or -1, names}
