-- Writes a value, if it still is what the writer read.
-- ARGV: prefix, name of the key, value as read ('' for none), new value
-- Returns: 1 if it was written
local key = prefix .. ARGV[2]
if (redis.call('GET', key) or '') ~= ARGV[3] then return 0 end
redis.call('SET', key, ARGV[4])
return 1
