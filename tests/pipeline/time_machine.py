"""Lets time pass for what lies in the store, whose clock is its own: every time in it is put so much earlier."""

from __future__ import annotations

import redis

SHIFT = """
local prefix, ms = ARGV[1], tonumber(ARGV[2])
local function earlier(text) return text == '0' and '0' or string.format('%d', tonumber(text) - ms) end

for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
  local name, left = string.sub(key, #prefix + 1), redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ms) end
  if string.find(name, '^cool:') and redis.call('EXISTS', key) == 1 then
    local at, token = string.match(redis.call('GET', key), '^(%d+)|(%d+)$')
    redis.call('SET', key, earlier(at) .. '|' .. token, 'KEEPTTL')
  elseif string.find(name, '^due:') or string.find(name, '^ran:') then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do redis.call('ZADD', key, tonumber(all[i + 1]) - ms, all[i]) end
  elseif string.find(name, '^i:') then
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
      local kind, value = string.sub(fields[i], 1, 2), fields[i + 1]
      if kind == 'w:' then redis.call('HSET', key, fields[i], earlier(value)) end
      if kind == 'a:' then
        local token, attempts, lease, began, doubt = string.match(value, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
        local times = {token, attempts, earlier(lease), earlier(began), earlier(doubt)}
        redis.call('HSET', key, fields[i], table.concat(times, ':'))
      end
      if string.find(fields[i], '^ask:') then
        local spell, at, round = string.match(value, '^(%d+):(%d+):(%d)$')
        redis.call('HSET', key, fields[i], table.concat({spell, earlier(at), round}, ':'))
      end
      if string.find(fields[i], '^act:') then
        local spell, token, state, lease, due, runs = string.match(value, '^(%d+):(%d+):(%l+):(%d+):(%d+):(%d+)$')
        redis.call('HSET', key, fields[i], table.concat({spell, token, state, earlier(lease), earlier(due), runs}, ':'))
      end
    end
  end
end
local inbox = prefix .. 'inbox'
if redis.call('EXISTS', inbox) == 1 and #redis.call('XINFO', 'GROUPS', inbox) > 0 then
  for _, entry in ipairs(redis.call('XPENDING', inbox, 'workers', '-', '+', 10000)) do
    redis.call('XCLAIM', inbox, 'workers', entry[2], 0, entry[1], 'IDLE', entry[3] + ms, 'JUSTID')
  end
end
"""


def forward(client: redis.Redis, seconds: float, prefix: str = "{ab}:") -> None:
    """Let so much time pass."""
    client.eval(SHIFT, 0, prefix, str(int(seconds * 1000)))
