-- Reserve session-start slots for many agents in one call, in Redis's own time.
-- KEYS: 1 tat (hash agent -> next free slot), 2 hold (hash scope -> no start before), 3 store (hash),
--       4 pace (hash scope -> "share since": what a scope that was told 429 may still use of its rate),
--       5 sent (hash sender -> "instant segments instant segments …", the newest first;
--         'for ' .. sender -> "instant segments": kept free until then for a text that long)
-- ARGV: 1 now or '', 2 lead, 3 horizon, 4 spread (1: an idle agent's phase is spread over its period),
--       5 what a share recovers in a second, 6 the seconds in which a sender's limit holds, 7 agents,
--       then for each agent: agent, account, period, wanted, extra (added to a first slot),
--       then for each text that asks its sender too: agent (1 is the first), sender or '', limit in
--       segments a second or '', segments, starts (1: it needs a slot of its agent, 0: it continues)
-- Returns for each agent: its first slot (with texts: its next free one), slots granted, the period
-- between them; then for each text: 1 and its slot, or 0 and when its sender would be free for it.
-- Times as strings, for Lua would cut numbers.
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
local texts_from = 8 + 5 * tonumber(ARGV[7])
for i = 8, texts_from - 1, 5 do
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

-- What each sender has sent in the last second or so: its limit holds for any second, in segments.
local second = tonumber(ARGV[6])
local texts, sent, kept_for, changed = {}, {}, {}, {}
for i = texts_from, #ARGV, 5 do
  local k, sender, limit = tonumber(ARGV[i]), ARGV[i + 1], tonumber(ARGV[i + 2])
  texts[k] = texts[k] or {}
  table.insert(texts[k], {nth = (i - texts_from) / 5, sender = limit and sender, limit = limit,
                          segments = tonumber(ARGV[i + 3]), starts = ARGV[i + 4] == '1'})
  if limit and not sent[sender] then
    sent[sender] = {}
    local told = redis.call('HGET', KEYS[5], sender) or ''
    for at, segments in string.gmatch(told, '([%d.]+) (%d+)') do
      table.insert(sent[sender], {tonumber(at), tonumber(segments)})
    end
    local longer = redis.call('HGET', KEYS[5], 'for ' .. sender) or ''
    local at, segments = string.match(longer, '([%d.]+) (%d+)')
    if at and tonumber(at) > now then kept_for[sender] = {tonumber(at), tonumber(segments)} end
  end
end

-- When a sender has paid for its newest text at its pace.
local function paid(text)
  local newest = sent[text.sender][1]
  return newest and newest[1] + newest[2] * second / text.limit or 0
end

-- The first instant, from `at` on, at which the sender may send the text: it has paid for the one
-- before, and no second holds more than its limit. A text longer than that needs a second of its own.
-- Short ones would always find room before a long one does: so it is kept room for, once it has waited.
local function free(text, at)
  if not text.limit then return at end
  at = math.max(at, paid(text))
  local longer = kept_for[text.sender]
  if longer and text.segments < longer[2] then
    at = math.max(at, horizon, longer[1] + longer[2] * second / text.limit)
  end
  local room = text.limit - math.min(text.segments, text.limit)
  for _, before in ipairs(sent[text.sender]) do
    if before[1] + second <= at then break end
    room = room - before[2]
    if room < 0 then return math.max(at, before[1] + second) end
  end
  return at
end

local function take(text, at)
  if not text.limit then return end
  table.insert(sent[text.sender], 1, {at, text.segments})
  local longer = kept_for[text.sender]
  if longer and text.segments >= longer[2] then
    kept_for[text.sender] = nil
    redis.call('HDEL', KEYS[5], 'for ' .. text.sender)
  end
end

-- The later of the agent's slot and the sender's, for one text after the other, the earliest first:
-- what waits for its sender takes no time of the agent from those that need not wait. Or neither.
local answers = {}
local function together(mine, slot, floor, fresh, period)
  local granted, wants_phase = 0, false
  while true do
    local best, when
    local before = {}  -- none overtakes another of its sender
    for _, text in ipairs(mine) do
      if not text.at and not before[text.sender or text] then
        before[text.sender or text] = true
        local at = free(text, text.starts and math.max(slot, floor) or floor)
        -- Agents that start together must not stay together; a busy sender keeps them apart.
        if text.starts and fresh > 0 and not (text.limit and paid(text) > now - 1) then
          wants_phase = wants_phase or at < horizon
          at = free(text, math.max(slot, floor) + fresh)
        end
        if not when or at < when then best, when = text, at end
      end
    end
    if not best or when >= horizon then break end
    best.at = when
    take(best, when)
    changed[best.sender or ''] = true
    answers[best.nth] = {1, when}
    if best.starts then slot, fresh, granted = when + period, 0, granted + 1 end
  end
  if granted == 0 and wants_phase then slot = math.max(slot, floor) + fresh end
  return slot, granted, granted > 0 or wants_phase
end

local out, writes = {}, {}
local moved_to = {}  -- an agent may be named several times in one call: each gets a slot of its own
for k, i in ipairs(agents) do
  local period, wanted, extra = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  period = period / math.min(share(2 * k - 1), share(2 * k))
  local floor = math.max(now + lead, since + 1, tonumber(holds[2 * k - 1] or 0) or 0,
                         tonumber(holds[2 * k] or 0) or 0)
  local slot, moved, fresh = moved_to[names[k]] or tonumber(tats[k] or ''), false, 0
  if not slot or slot < floor - period then
    slot = floor
    if spread then fresh = period * phase(names[k]) end
    moved = true
  elseif slot < floor then
    slot = floor
    moved = true
  end
  local first, granted
  if texts[k] then
    slot, granted, moved = together(texts[k], slot, floor, fresh, period)
    first = slot
  else
    first, granted = slot + fresh + extra, 0
    slot = first
    while granted < wanted and slot < horizon do
      slot = slot + period
      granted = granted + 1
    end
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
if #ARGV < texts_from then return out end

-- Only what has a slot is kept, and of that the newest and what the last second still holds.
for sender, _ in pairs(changed) do
  local kept = {}
  for n, text in ipairs(sent[sender] or {}) do
    if n > 1 and text[1] + second < now then break end
    kept[n] = string.format('%.6f %d', text[1], text[2])
  end
  if #kept > 0 then redis.call('HSET', KEYS[5], sender, table.concat(kept, ' ')) end
end
-- What has none is told when it would have its turn, one after the other.
for k = 1, #agents do
  for _, text in ipairs(texts[k] or {}) do
    if not text.at then
      local at = free(text, now + lead)
      if text.limit and text.segments > 1 and at >= horizon and not kept_for[text.sender] then
        kept_for[text.sender] = {at, text.segments}
        local kept = string.format('%.6f %d', at, text.segments)
        redis.call('HSET', KEYS[5], 'for ' .. text.sender, kept)
      end
      if text.limit then table.insert(sent[text.sender], 1, {at, text.segments}) end
      answers[text.nth] = {0, at}
    end
  end
end
for n = 0, (#ARGV - texts_from + 1) / 5 - 1 do
  out[#out + 1] = answers[n][1]
  out[#out + 1] = string.format('%.6f', answers[n][2])
end
return out
