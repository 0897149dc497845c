-- Shared by the scripts below (put in front of them): time, keys and the due index.
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function record(id)  -- key of an incident's record; the newest of a problem lives under the bare fingerprint
  local fingerprint, number = string.match(id, '^(.+)-(%d+)$')
  local key = prefix .. 'i:' .. fingerprint
  local current = redis.call('HGET', key, 'n')
  if current and current ~= number then key = key .. ':' .. number end
  return key, fingerprint, tonumber(number)
end

-- An attempt is "token:attempts:lease end:began:doubt": doubt is when the first attempt with an unknown outcome
-- began, 0 when no attempt's outcome is unknown; lease end is 0 when nobody holds it.
local function attempt_of(value)
  if not value then return nil end
  local token, attempts, lease, began, doubt = string.match(value, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
  return {token = token, attempts = tonumber(attempts), lease = tonumber(lease), began = tonumber(began),
          doubt = tonumber(doubt)}
end
local function attempt(key, destination) return attempt_of(redis.call('HGET', key, 'a:' .. destination)) end

local function keep(key, destination, a)
  redis.call('HSET', key, 'a:' .. destination,
    string.format('%s:%d:%d:%d:%d', a.token, a.attempts, a.lease, a.began, a.doubt))
end

-- `owed:<destination>` says since when each incident should have been told there: unlike the due index it is not moved
-- by attempts that fail. What a canary is about is no incident, so nobody is owed it.
local function is_canary(id) return string.sub(id, 1, 7) == 'canary.' end
local function owe(id, destination, at)
  if not is_canary(id) then
    redis.call('ZADD', prefix .. 'owed:' .. destination, 'LT', math.max(at, now), id)
  end
end

-- Notes that a destination is to hear of an incident at a time; while an attempt is not settled it waits for that,
-- also past the end of its lease: as long as nobody took over, its holder may still settle it.
local function wait_for_attempt(key, destination, at)
  local known = tonumber(redis.call('HGET', key, 'w:' .. destination) or 'inf')
  if at < known then redis.call('HSET', key, 'w:' .. destination, string.format('%d', at)) end
end
local function want(key, id, destination, at)
  owe(id, destination, at)
  local a = attempt(key, destination)
  if a and a.lease > 0 then
    wait_for_attempt(key, destination, at)
  else  -- after an attempt its backoff or settling time stands
    redis.call('ZADD', prefix .. 'due:' .. destination, a and 'NX' or 'LT', at, id)
  end
end

-- Returns true when a bell should be rung, and remembers for a second that it was.
local function ring(name)
  return redis.call('SET', prefix .. 'rung:' .. name, '1', 'NX', 'PX', 1000)
end

-- Counts a dead letter for which there is no room: for ever, and for as long as there are others to look through.
local function shed()
  redis.call('HINCRBY', prefix .. 'counts', 'dead_letters_shed', 1)
  redis.call('INCR', prefix .. 'dead:shed')
end

-- Takes a dead letter away; returns true if there was one. With the last one goes the count of those shed.
local function forget(name)
  local letters = prefix .. 'dead'
  if redis.call('HDEL', letters, name) == 0 then return false end
  if redis.call('EXISTS', letters) == 0 then redis.call('DEL', prefix .. 'dead:shed') end
  return true
end

-- Adds lines to an incident's chain of decisions (their form: bridge/store/chain.py). A line that says what the one
-- before it of the same place said is counted there; beyond 40 the middle goes, counted in the fifth line.
local LINES, NOTHING_TO_COMPARE = 40, 4
local function same(a, b)
  if a[2] ~= b[2] or a[3] ~= b[3] then return false end
  return a[8] == b[8] or a[2] == 'l' or a[2] == 'm'
end
local function tell(key, lines)
  local known = redis.call('HGET', key, 'y')
  if not known and #lines <= NOTHING_TO_COMPARE then  -- a new incident: nothing to compare with
    redis.call('HSET', key, 'y', table.concat(lines, '\n'))
    return
  end
  local chain = {}
  for line in string.gmatch(known or '', '[^\n]+') do chain[#chain + 1] = line end
  local function parts(line)
    return {string.match(line, '^(%d+)|(.)|([^|]*)|(%d+)|(%d*)|(%d*)|(%d*)|(.*)$')}
  end
  for _, line in ipairs(lines) do
    local new, counted = parts(line), false
    for i = #chain, 1, -1 do
      local old = parts(chain[i])
      if old[3] == new[3] then
        if same(old, new) then
          chain[i] = table.concat({old[1], old[2], old[3], old[4], (tonumber(old[5]) or 1) + 1, new[1], new[7], new[8]}, '|')
          counted = true
        end
        break
      end
    end
    if not counted then chain[#chain + 1] = line end
  end
  if #chain > LINES then
    local first = parts(chain[5])
    local gone = first[2] == '~' and tonumber(first[5]) or 1  -- the first to go makes room for the count
    while #chain > LINES do
      table.remove(chain, 6)
      gone = gone + 1
    end
    chain[5] = first[1] .. '|~||0|' .. gone .. '|||'
  end
  redis.call('HSET', key, 'y', table.concat(chain, '\n'))
end
