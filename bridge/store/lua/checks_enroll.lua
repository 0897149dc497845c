-- Says that a worker has these checks in its config, and sees to it that each has a next run in reach.
-- ARGV: prefix, ms after which a check that no worker has counts as removed, then for each check:
--   name, interval ms, phase of its slots ms, delay of the first run ms
-- Returns: now in µs, {{name, record}, …} of checks that no worker has any more
local due, claimed = prefix .. 'checks:due', prefix .. 'checks:claimed'
for i = 3, #ARGV, 4 do
  local name, every, phase, first = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  redis.call('ZADD', claimed, now, name)
  local known = tonumber(redis.call('ZSCORE', due, name) or nil)
  if not known then
    redis.call('ZADD', due, now + first, name)
  elseif known > now + every + 5000 then  -- the interval became shorter (5 s: a run may be under way)
    redis.call('ZADD', due, slot_after(now, every, phase), name)
  end
end
local gone = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', claimed, '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, 100)) do
  gone[#gone + 1] = {name, redis.call('HGET', prefix .. 'checks:record', name)}
end
return {time[1] * 1000000 + time[2], gone}
