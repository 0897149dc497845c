-- Settles attempts at one destination that ended, then takes others that are due there, in one round trip.
-- ARGV: prefix, destination, how many to take, how many more are under way, lease ms, ms between deliveries (0: no
--   limit), how many may go at once, deliveries' dead letters at the most, then for each attempt that ended: what
--   `settle` is told, and in the place of the chain's lines their number and the lines themselves
-- Returns: now in µs, what was taken (`take_due`), what became of each settlement (`settle`), {destination to ring, …}
local destination, limit = ARGV[2], tonumber(ARGV[3])
local codes, rings, at = {}, {}, 9
while at <= #ARGV do
  local id, token, outcome, delay, doubt, receipt, relinked, letter, hold, fallback, reason, revision, packed =
    unpack(ARGV, at, at + 12)
  local count = tonumber(ARGV[at + 13])
  codes[#codes + 1] = settle(destination, id, token, outcome, tonumber(delay), doubt, receipt, relinked == '1', letter,
    tonumber(hold), fallback, reason, revision, packed, {unpack(ARGV, at + 14, at + 13 + count)}, rings,
    tonumber(ARGV[8]))
  at = at + 14 + count
end
local taken = {}
if limit > 0 then
  taken = take_due(destination, limit, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
end
return {time[1] * 1000000 + time[2], taken, codes, rings}
