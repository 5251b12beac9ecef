-- One turn at a queue, in this order: settle what is finished, promote what is due,
-- take what another worker handed back, read what is new.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  5 starts  6 dead  7 urgent  8 bulk  9 alive  10 paused  11 bytes
--        12 unique  13 unique until
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back
--        4 how many entries to take; 0 settles and promotes only
--        5 wake ms (see send.lua)
--        6 greatest age of a dead letter in ms  7 greatest number of dead letters  8 their greatest bytes
--        9 until when the consumer's lease is renewed, in ms from now; 0 leaves it as it is
--        10 11 12 numbers of plain settlements, of entries that are just done, in the lanes, the most urgent first
--        13 … the ids of their entries, in the same order
--        … the other settlements, one after another, each of them:
--            the entry's name,
--            number of sends, each: id, delay ms, parked since ms or '', body,
--            number of dead letter texts (fields and values; 0 is no dead letter), the texts,
--            the claim that ends with it (see claims.lua) and, if it is not '', the message id
--          A body of '' stands for the body that the entry has in the stream.
-- Result {now ms, ms until the next delayed message is due or -1, unsettled, new, retaken, 1 if the queue is paused}
--          unsettled number from 1, why, …: settlements that were not done
--                    why is 0 when the entry is no longer this consumer's, else the text of Redis's refusal
--          new       {lane's mark, entries as XREADGROUP gives them}, the most urgent lane first
--          retaken   {name, fields, starts counted so far or nil}

-- include: send.lua
-- include: dead.lua
-- include: claims.lua

local group, me, shelf = ARGV[1], ARGV[2], ARGV[3]
local want, wake_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local settled, settled_names = {}, {}
local number, unsettled = 0, {}

-- Entries that are not ours to read may carry anything: keep all they have.
local function standing(stream, id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    return ''
  end
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'm' then
      return entry[2][i + 1]
    end
  end
  return table.concat(entry[2], ' ')
end

local marks = {[KEYS[7]] = 'u', [KEYS[1]] = '', [KEYS[8]] = 'b'}

local function dead_letter(stream, id, first, last)
  local letter = {'died_ms', string.format('%.0f', now), 'enqueued_ms', string.match(id, '^%d+'), 'lane', marks[stream]}
  for i = first, last, 2 do
    letter[#letter + 1] = ARGV[i]
    if ARGV[i] == 'message' and ARGV[i + 1] == '' then
      letter[#letter + 1] = standing(stream, id)
    else
      letter[#letter + 1] = ARGV[i + 1]
    end
  end
  return letter
end

local function note_settled(stream, id, name)
  local ids = settled[stream]
  if not ids then
    ids = {}
    settled[stream] = ids
  end
  ids[#ids + 1] = id
  settled_names[#settled_names + 1] = name
end

local function conclude(outcome)
  number = number + 1
  if outcome ~= 1 then
    unsettled[#unsettled + 1] = number
    unsettled[#unsettled + 1] = outcome
  end
end

-- What may be refused for want of memory comes first; acknowledging comes last and never is.
local function settle(name, first_send, sends, first_text, texts)
  local owned, failed, stream, id = owned_by(me, group, name)
  if not owned then
    return failed and failed.err or 0
  end
  for i = first_send, first_send + (sends - 1) * 4, 4 do
    local body = ARGV[i + 3]
    if body == '' then
      body = standing(stream, id)
    end
    local refused = send(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], body, now, wake_ms)
    if refused then
      return refused
    end
  end
  if texts > 0 then
    local refused = bury(KEYS[6], KEYS[11], dead_letter(stream, id, first_text, first_text + texts - 1))
    if refused then
      return refused
    end
    retain(KEYS[6], KEYS[11], now - tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]))
  end
  note_settled(stream, id, name)
  return 1
end

-- Settle what is just done: the entries of one lane whose ids are ARGV from `first` to `last`.
local function settle_plain(mark, first, last)
  local stream, found = LANES[mark], {}
  local pending = redis.pcall('XPENDING', stream, group, '-', '+', (last - first + 1) * 2, me)
  if not pending.err then
    for _, entry in ipairs(pending) do
      found[entry[1]] = true
    end
  end
  local all = true
  for i = first, last do
    all = all and found[ARGV[i]]
  end
  if all and mark == '' then
    -- The shorter way to the same end.
    redis.call('XACK', stream, group, unpack(ARGV, first, last))
    redis.call('XDEL', stream, unpack(ARGV, first, last))
    redis.call('HDEL', KEYS[5], unpack(ARGV, first, last))
    number = number + last - first + 1
    return
  end
  for i = first, last do
    local name = mark .. ARGV[i]
    -- What lies further back among what is pending is asked for by itself.
    local owned, failed = found[ARGV[i]], nil
    if not owned then
      owned, failed = owned_by(me, group, name)
    end
    if owned then
      note_settled(stream, ARGV[i], name)
    end
    conclude(owned and 1 or failed and failed.err or 0)
  end
end

local at = 13
for i, mark in ipairs(MARKS) do
  local count = tonumber(ARGV[9 + i])
  if count > 0 then
    settle_plain(mark, at, at + count - 1)
    at = at + count
  end
end
while at <= #ARGV do
  local sends = tonumber(ARGV[at + 1])
  local letter = at + 2 + sends * 4
  local texts = tonumber(ARGV[letter])
  local outcome = settle(ARGV[at], at + 2, sends, letter + 1, texts)
  conclude(outcome)
  at = letter + 1 + texts
  if ARGV[at] ~= '' then
    if outcome == 1 then
      unstake(ARGV[at], ARGV[at + 1])
    end
    at = at + 1
  end
  at = at + 1
end
for stream, ids in pairs(settled) do
  redis.call('XACK', stream, group, unpack(ids))
  redis.call('XDEL', stream, unpack(ids))
end
if #settled_names > 0 then
  redis.call('HDEL', KEYS[5], unpack(settled_names))
end
if ARGV[9] ~= '0' then
  redis.call('ZADD', KEYS[9], now + tonumber(ARGV[9]), me)
end

local function until_due()
  local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  if #head == 0 then
    return -1
  end
  return math.max(0, tonumber(head[2]) - now)
end

local due_ms = until_due()
local shy = false
if due_ms == 0 then
  local refused
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
    local body = redis.call('HGET', KEYS[3], id)
    local parked = redis.call('HGET', KEYS[4], id)
    refused = body and append(lane_of(id), body, parked or '')
    if refused then
      break
    end
    shy = shy or parked
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
    redis.call('HDEL', KEYS[4], id)
  end
  -- Without memory for it, a due message keeps its place and is tried again in a second.
  due_ms = refused and 1000 or until_due()
end

-- What others handed back, at most `want`, is ours.
local function retake(lanes)
  local retaken = {}
  for i, lane in ipairs(lanes) do
    local stream, mark = lane[1], MARKS[i]
    for _, entry in ipairs(lane[2]) do
      if #retaken == want then
        return retaken
      end
      local id, name = entry[1], mark .. entry[1]
      if entry[2] then
        redis.call('XCLAIM', stream, group, me, 0, id, 'JUSTID')
        retaken[#retaken + 1] = {name, entry[2], redis.call('HGET', KEYS[5], name)}
      else
        -- Deleted where it waited.
        redis.call('XACK', stream, group, id)
      end
    end
  end
  return retaken
end

local new, retaken, paused = {}, {}, 0
if want > 0 then
  paused = redis.call('EXISTS', KEYS[10])
end
if want > 0 and paused == 0 then
  local shelved = redis.pcall(
    'XREADGROUP', 'GROUP', group, shelf, 'COUNT', want, 'STREAMS', KEYS[7], KEYS[1], KEYS[8], '0', '0', '0')
  if shelved.err then
    if not string.find(shelved.err, 'NOGROUP', 1, true) then
      return shelved
    end
    -- The queue is new, or was lost with all of Redis. From 0, so that no message sent before is missed.
    for _, stream in pairs(LANES) do
      local created = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
      if created.err and not string.find(created.err, 'BUSYGROUP', 1, true) then
        return created
      end
    end
    shelved = {}
  end
  retaken = retake(shelved)
  -- Whoever parked a message for an unknown actor is the first to see it due: let others try this time.
  if not shy then
    local left = want - #retaken
    for _, mark in ipairs(MARKS) do
      if left == 0 then
        break
      end
      local read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', left, 'STREAMS', LANES[mark], '>')
      if read then
        new[#new + 1] = {mark, read[1][2]}
        left = left - #read[1][2]
      end
    end
  end
end

return {now, due_ms, unsettled, new, retaken, paused}
