-- Notes that a worker lives, and forgets those that were silent for too long.
-- ARGV: prefix, name, ms of silence after which one is forgotten, what the names of those end with that read packed incidents
-- Returns: 1 if all of them do
local workers, mark, alike = prefix .. 'workers', ARGV[4], 1
local since = string.match(redis.call('HGET', workers, ARGV[2]) or '', '^(%d+)|') or string.format('%d', now)
redis.call('HSET', workers, ARGV[2], since .. '|' .. string.format('%d', now))
local all = redis.call('HGETALL', workers)
for i = 1, #all, 2 do
  local beat = tonumber(string.match(all[i + 1], '|(%d+)$'))
  if beat + tonumber(ARGV[3]) < now then redis.call('HDEL', workers, all[i])
  elseif string.sub(all[i], -#mark) ~= mark then alike = 0 end
end
return alike
