-- Move agents' next free slots, or scopes' holds, later; never earlier. Or drop what has long passed.
-- KEYS: 1 hash; ARGV: 1 mode ('add' seconds to every instant of the value, 'until' at least this
-- instant, 'drop' what is earlier than this instant), then pairs of field and number.
-- A value is an instant, or a sender's "instant segments instant segments …", the newest first.
-- Returns how many it dropped.
local dropped = 0
for i = 2, #ARGV, 2 do
  local text = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  local old = tonumber(string.match(text, '^[%d.]+') or '')
  local given = tonumber(ARGV[i + 1])
  if ARGV[1] == 'add' then
    local shifted = string.gsub(text, '%d+%.%d+', function(at)
      return string.format('%.6f', tonumber(at) + given)
    end)
    if old then redis.call('HSET', KEYS[1], ARGV[i], shifted) end
  elseif ARGV[1] == 'drop' then
    if old and old < given then dropped = dropped + redis.call('HDEL', KEYS[1], ARGV[i]) end
  elseif not old or old < given then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.6f', given))
  end
end
return dropped
