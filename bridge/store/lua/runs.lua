-- Shared by the scripts of recovery actions (put in front of them). The newest run of an action for an incident is
-- "spell:token:state:lease end:due:runs": which spell of firing it is for, and how many runs there were before it.
local function run(key, action)
  local value = redis.call('HGET', key, 'act:' .. action)
  if not value then return nil end
  local spell, token, state, lease, due, runs = string.match(value, '^(%d+):(%d+):(%l+):(%d+):(%d+):(%d+)$')
  return {spell = tonumber(spell), token = token, state = state, lease = tonumber(lease), due = due, runs = tonumber(runs)}
end

local function note_run(key, action, r)
  redis.call('HSET', key, 'act:' .. action,
    string.format('%d:%s:%s:%d:%s:%d', r.spell, r.token, r.state, r.lease, r.due, r.runs))
end
