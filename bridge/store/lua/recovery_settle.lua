-- Ends one run: with a token the one that was begun under it, without one a run that is not to begin at all.
-- ARGV: prefix, action, id, spell, token or '', state, ledger, target's digest, what is said of it in the inbox or '',
--       last run for lists or '', then lines of the chain
--   state: done | dry | unsure | lost (its worker is gone) | failed (certainly not done) | held | skipped
-- Returns: 1 if this ended it, 0 if it had been ended, was taken over, or has to wait for the end of the run before
local action, id, spell, token, state = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local ledger, target, said, last, lines = ARGV[7], ARGV[8], ARGV[9], ARGV[10], {unpack(ARGV, 11)}
local key = record(id)
local due, member = prefix .. 'due:recover:' .. action, id .. ':' .. spell
local known = run(key, action)
local mine = known and known.spell == spell and known.token == token
if token == '' then
  if known and known.spell >= spell then
    if known.spell > spell or known.state ~= 'open' then redis.call('ZREM', due, member) end
    return 0
  end
  if known and known.state == 'open' then  -- the run before is under way: its end is told first
    redis.call('ZADD', due, known.lease + 1, member)
    return 0
  end
elseif not mine or (known.state ~= 'open' and known.state ~= 'lost') then return 0
elseif state == 'lost' and (known.state == 'lost' or known.lease > now) then return 0
end

local runs = known and known.runs or 0
if state == 'failed' and token ~= '' then  -- what was not done is not counted, and cools nothing down
  runs = runs - 1
  redis.call('ZREM', prefix .. 'ran:' .. ledger, token)
  local cooling = prefix .. 'cool:' .. ledger .. ':' .. target
  if string.match(redis.call('GET', cooling) or '', '|(%d+)$') == token then redis.call('DEL', cooling) end
end
if redis.call('EXISTS', key) == 1 then
  note_run(key, action, {spell = spell, token = token == '' and '0' or token, state = state, lease = 0, due = '0', runs = runs})
  if #lines > 0 then tell(key, lines) end
end
redis.call('HDEL', key, 'ask:' .. action)
redis.call('ZREM', due, member)
if said ~= '' then redis.call('XADD', prefix .. 'inbox', '*', 'a', said, 't', '') end
if last ~= '' then redis.call('HSET', prefix .. 'recovered', action, last) end
redis.call('HINCRBY', prefix .. 'counts', 'recovery:' .. action .. ':' .. state, 1)
return 1
