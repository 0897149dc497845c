-- Reads what is known of a batch of statements: their problems' incidents, and which of them were counted before.
-- ARGV: prefix, how many problems, {fingerprint …}, three names of sets of event ids, {event id …}
-- Returns: {{revision, incident, {name of what else it holds, …}} or false where there is none, …},
--          {index of each event id that is known, …}
-- Of the rest only the names of what is about a destination (`r:<name>`, …): what they hold is the deliveries'.
local prefix, problems = ARGV[1], tonumber(ARGV[2])
local found = {}
for i = 1, problems do
  local key = prefix .. 'i:' .. ARGV[i + 2]
  local known = redis.call('HMGET', key, 'v', 'i')
  if known[1] then
    local names = {}
    for _, name in ipairs(redis.call('HKEYS', key)) do
      if string.byte(name, 2) == 58 then names[#names + 1] = name end
    end
    found[i] = {known[1], known[2], names}
  else
    found[i] = false
  end
end
local seen, sets, first = {}, problems + 3, problems + 6
for start = first, #ARGV, 1000 do  -- unpack has room for some thousands
  local last = math.min(start + 999, #ARGV)
  for set = sets, sets + 2 do
    for i, known in ipairs(redis.call('SMISMEMBER', ARGV[set], unpack(ARGV, start, last))) do
      if known == 1 then seen[#seen + 1] = start - first + i end
    end
  end
end
return {found, seen}
