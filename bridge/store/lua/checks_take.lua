-- Takes runs that are due, each under a token that its settlement has to show, and moves them to their next slot.
-- Nobody else takes one before the run must be over, even if the next slot is earlier.
-- ARGV: prefix, then for each check: name, interval ms, phase of its slots ms, ms after which the run must be over
-- Returns: now in µs, {{name, token, record}, …}
local due, runs = prefix .. 'checks:due', prefix .. 'checks:runs'
local taken, late = {}, 0
for i = 2, #ARGV, 4 do
  local name, every, phase, lease = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local known = tonumber(redis.call('ZSCORE', due, name) or nil)
  if known and known <= now then
    local token = string.format('%d', redis.call('INCR', prefix .. 'token'))
    local next_slot = slot_after(now, every, phase)
    redis.call('HSET', runs, name, string.format('%s:%d', token, next_slot))
    redis.call('ZADD', due, math.max(next_slot, now + lease), name)
    late = late + now - known
    taken[#taken + 1] = {name, token, redis.call('HGET', prefix .. 'checks:record', name)}
  end
end
if late > 0 then redis.call('HINCRBY', prefix .. 'counts', 'checks_late_ms', string.format('%d', late)) end
return {time[1] * 1000000 + time[2], taken}
