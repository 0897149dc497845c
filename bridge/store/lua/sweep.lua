-- Looks, under a short lease, for what a bell should be rung for.
-- ARGV: prefix, lease ms, destination, …
-- Returns: '' for the inbox if it holds something, and each destination with a delivery due now
if not redis.call('SET', prefix .. 'sweep', '1', 'NX', 'PX', ARGV[2]) then return {} end
redis.call('SET', prefix .. 'swept', string.format('%d', now))
local rings = {}
if redis.call('XLEN', prefix .. 'inbox') > 0 then rings[1] = '' end
for i = 3, #ARGV do
  local first = redis.call('ZRANGEBYSCORE', prefix .. 'due:' .. ARGV[i], '-inf', now, 'LIMIT', 0, 1)
  if #first > 0 then rings[#rings + 1] = ARGV[i] end
end
return rings
