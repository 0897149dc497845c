-- Looks, under a short lease, for what a bell should be rung for, and whether the next proof is due.
-- ARGV: prefix, lease ms, ms between two proofs (0: there are none), destination, …
-- Returns: {'' for the inbox if it holds something, and each destination with a delivery due now}, 1 if a proof is due
if not redis.call('SET', prefix .. 'sweep', '1', 'NX', 'PX', ARGV[2]) then return {{}, 0} end
redis.call('SET', prefix .. 'swept', string.format('%d', now))
local rings = {}
if redis.call('XLEN', prefix .. 'inbox') > 0 then rings[1] = '' end
for i = 4, #ARGV do
  local first = redis.call('ZRANGEBYSCORE', prefix .. 'due:' .. ARGV[i], '-inf', now, 'LIMIT', 0, 1)
  if #first > 0 then rings[#rings + 1] = ARGV[i] end
end
local prove = ARGV[3] ~= '0' and redis.call('SET', prefix .. 'proving', '1', 'NX', 'PX', ARGV[3])
return {rings, prove and 1 or 0}
