-- Looks for the first run of a recovery action that is due; takes nothing.
-- ARGV: prefix, action
-- Returns: now in µs, then {id, spell, due ms, {field, value, …}} or nothing
local name = 'recover:' .. ARGV[2]
local due = prefix .. 'due:' .. name
redis.call('DEL', prefix .. 'rung:' .. name)
local micros = time[1] * 1000000 + time[2]
while true do
  local first = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  if #first == 0 then return {micros, {}} end
  local id, spell = string.match(first[1], '^(.+):(%d+)$')
  local fields = redis.call('HGETALL', (record(id)))
  if #fields > 0 then return {micros, {id, tonumber(spell), tonumber(first[2]), fields}} end
  redis.call('ZREM', due, first[1])  -- closed so long ago that it was forgotten
end
