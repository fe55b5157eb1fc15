-- Reserve session-start slots for many agents in one call, in Redis's own time.
-- KEYS: 1 tat (hash agent -> next free slot), 2 hold (hash scope -> no start before), 3 store (hash),
--       4 pace (hash scope -> "share since": what a scope that was told 429 may still use of its rate)
-- ARGV: 1 now or '', 2 lead, 3 horizon, 4 spread (1: an idle agent's phase is spread over its period),
--       5 what a share recovers in a second,
--       then for each agent: agent, account, period, wanted, extra (added to a first slot)
-- Returns for each agent: first slot, slots granted, the period between them; times as strings, for
-- Lua would cut numbers.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) + tonumber(t[2]) / 1000000
end

-- A store that was flushed or restarted has forgotten slots that are still to come. They lie less than
-- half a second ahead, so everybody waits one second from the moment the loss is noticed.
local run = 'one'
local ok, info = pcall(redis.call, 'INFO', 'server')
if ok and type(info) == 'string' then run = string.match(info, 'run_id:(%w+)') or run end
local store = redis.call('HMGET', KEYS[3], 'run', 'since')
local since = tonumber(store[2])
if store[1] ~= run or not since then
  since = now
  redis.call('HSET', KEYS[3], 'run', run, 'since', string.format('%.6f', now))
end

local lead, horizon, spread = tonumber(ARGV[2]), now + tonumber(ARGV[3]), ARGV[4] == '1'
local agents, names, accounts = {}, {}, {}
for i = 6, #ARGV, 5 do
  agents[#agents + 1] = i
  names[#names + 1] = ARGV[i]
  accounts[#accounts + 1] = 'account:' .. ARGV[i + 1]
  accounts[#accounts + 1] = 'agent:' .. ARGV[i]
end
if #agents == 0 then return {} end
local tats = redis.call('HMGET', KEYS[1], unpack(names))
local holds = redis.call('HMGET', KEYS[2], unpack(accounts))

-- Down at once, up slowly: after a 429 a scope keeps to a share of its rate that grows back to 1.
local recover = tonumber(ARGV[5])
local paces = redis.call('EXISTS', KEYS[4]) == 1 and redis.call('HMGET', KEYS[4], unpack(accounts))
local function share(k)
  local text = paces and paces[k]
  if not text then return 1 end
  local least, at = string.match(text, '([%d.]+) ([%d.]+)')
  return math.min(1, tonumber(least) + recover * math.max(0, now - tonumber(at)))
end

local function phase(name)
  local h = 0
  for c = 1, #name do h = (h * 31 + string.byte(name, c)) % 1000003 end
  return (h * 0.6180339887) % 1
end

local out, writes = {}, {}
local moved_to = {}  -- an agent may be named several times in one call: each gets a slot of its own
for k, i in ipairs(agents) do
  local period, wanted, extra = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  period = period / math.min(share(2 * k - 1), share(2 * k))
  local floor = math.max(now + lead, since + 1, tonumber(holds[2 * k - 1] or 0) or 0,
                         tonumber(holds[2 * k] or 0) or 0)
  local slot, moved = moved_to[names[k]] or tonumber(tats[k] or ''), false
  if not slot or slot < floor - period then
    slot = floor
    if spread then slot = slot + period * phase(names[k]) end
    moved = true
  elseif slot < floor then
    slot = floor
    moved = true
  end
  local first, granted = slot + extra, 0
  slot = first
  while granted < wanted and slot < horizon do
    slot = slot + period
    granted = granted + 1
  end
  if granted > 0 or (moved and spread) then
    moved_to[names[k]] = slot
    writes[#writes + 1] = names[k]
    writes[#writes + 1] = string.format('%.6f', slot)
  end
  out[#out + 1] = string.format('%.6f', first)
  out[#out + 1] = granted
  out[#out + 1] = string.format('%.6f', period)
end
if #writes > 0 then redis.call('HSET', KEYS[1], unpack(writes)) end
return out
