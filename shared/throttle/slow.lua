-- A scope was told 429: cut its share of its rate, once for all the calls that were told together.
-- KEYS: 1 pace (hash scope -> "share since"); ARGV: 1 scope, 2 factor, 3 least share, 4 recovery in
-- shares per second, 5 seconds in which further cuts count as the same
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local text = redis.call('HGET', KEYS[1], ARGV[1])
local share, at = 1, nil
if text then
  local least, since = string.match(text, '([%d.]+) ([%d.]+)')
  at = tonumber(since)
  if now - at < tonumber(ARGV[5]) then return text end
  share = math.min(1, tonumber(least) + tonumber(ARGV[4]) * (now - at))
end
text = string.format('%.4f %.6f', math.max(tonumber(ARGV[3]), share * tonumber(ARGV[2])), now)
redis.call('HSET', KEYS[1], ARGV[1], text)
redis.call('EXPIRE', KEYS[1], 3600)  -- after an hour without a 429 every share has recovered
return text
