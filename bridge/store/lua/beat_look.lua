-- Looks for heartbeats whose time has come, at most once in a period; and notices when nobody has looked for a while.
-- ARGV: prefix, period ms, ms without a look after which there was a pause, the same for an absence of the bridge, ms of
--       a run after which a further absence stands for itself, when a receiver was heard last (0: none left a note),
--       ms of their silence after which they are away, ms after which that excuses nothing any more, how many at most
-- Returns: {} if it is not this worker's turn, else {now ms, since when there is somebody who looks (0: long enough),
--   when the newest pause began and when it ended (0: none), when the oldest entry of the inbox was accepted (0: none),
--   {name, …}}
local prefix, pause, away, clean = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local noted, silent, longest = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if not redis.call('SET', prefix .. 'beat-look', '1', 'NX', 'PX', ARGV[2]) then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local key = prefix .. 'beat-watch'
local looked, resumed, watched, heard = unpack(redis.call('HMGET', key, 'looked', 'resumed', 'watched', 'heard'))
looked, resumed, watched = tonumber(looked or 0), tonumber(resumed or 0), tonumber(watched or 0)
heard = math.max(noted, tonumber(heard or 0))  -- a receiver that ends takes its note away
local deaf = heard > 0 and now - heard > silent and now - heard < longest
if now - looked > away or deaf then
  if looked - resumed >= clean then watched = 0 end
  resumed = now
else
  watched = watched + now - looked  -- in all runs that were too short to stand for themselves
end
-- coming and going for so long must not keep it silent for ever
local since = watched > 3 * clean and 0 or resumed
redis.call('HSET', key, 'looked', now, 'resumed', resumed, 'watched', watched, 'heard', heard, 'since', since)
if looked > 0 and now - looked > pause then redis.call('HSET', key, 'paused', looked, 'stirred', now) end
local paused, stirred = unpack(redis.call('HMGET', key, 'paused', 'stirred'))

local first = redis.call('XRANGE', prefix .. 'inbox', '-', '+', 'COUNT', 1)
local oldest = first[1] and tonumber(string.match(first[1][1], '^(%d+)')) or 0
local due = redis.call('ZRANGEBYSCORE', prefix .. 'beats', '-inf', now, 'LIMIT', 0, ARGV[9])
return {now, since, tonumber(paused or 0), tonumber(stirred or 0), oldest, due}
