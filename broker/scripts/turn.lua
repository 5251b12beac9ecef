-- One turn at a queue, in this order: settle what is finished, promote what is due,
-- take what another worker handed back, read what is new.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  5 starts  6 dead
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back
--        4 how many entries to take; 0 settles and promotes only
--        5 wake ms (see send.lua)
--        6 greatest age of a dead letter in ms  7 greatest number of dead letters
--        8 … settlements, one after another, each of them:
--            entry id,
--            number of sends, each: id, delay ms, parked since ms or '', body,
--            number of dead letter texts (fields and values; 0 is no dead letter), the texts
--          A body of '' stands for the body that the entry has in the stream.
-- Result {now ms, ms until the next delayed message is due or -1, outcomes, new, retaken}
--          outcome   1 settled; 0 no longer this consumer's, nothing done; text: refused, nothing done
--          new       {id, fields} as XREADGROUP gives them
--          retaken   {id, fields, starts counted so far or nil}

-- include: send.lua

local group, me, shelf = ARGV[1], ARGV[2], ARGV[3]
local want, wake_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local settled = {}

-- Entries that are not ours to read may carry anything: keep all they have.
local function standing(id)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
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

local function bury(id, first, last)
  local letter = {'died_ms', string.format('%.0f', now), 'enqueued_ms', string.match(id, '^%d+')}
  for i = first, last, 2 do
    letter[#letter + 1] = ARGV[i]
    if ARGV[i] == 'message' and ARGV[i + 1] == '' then
      letter[#letter + 1] = standing(id)
    else
      letter[#letter + 1] = ARGV[i + 1]
    end
  end
  local refused = refusal(redis.pcall('XADD', KEYS[6], 'MAXLEN', ARGV[7], '*', unpack(letter)))
  if not refused then
    redis.call('XTRIM', KEYS[6], 'MINID', string.format('%.0f', now - tonumber(ARGV[6])))
  end
  return refused
end

-- What may be refused for want of memory comes first; acknowledging comes last and never is.
local function settle(id, first_send, sends, first_text, texts)
  local owned = redis.pcall('XPENDING', KEYS[1], group, id, id, 1, me)
  if owned.err and not string.find(owned.err, 'NOGROUP', 1, true) then
    return owned.err
  end
  if #owned == 0 then
    return 0
  end
  for i = first_send, first_send + (sends - 1) * 4, 4 do
    local body = ARGV[i + 3]
    if body == '' then
      body = standing(id)
    end
    local refused = send(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], body, now, wake_ms)
    if refused then
      return refused
    end
  end
  if texts > 0 then
    local refused = bury(id, first_text, first_text + texts - 1)
    if refused then
      return refused
    end
  end
  settled[#settled + 1] = id
  return 1
end

local outcomes, at = {}, 8
while at <= #ARGV do
  local sends = tonumber(ARGV[at + 1])
  local letter = at + 2 + sends * 4
  local texts = tonumber(ARGV[letter])
  outcomes[#outcomes + 1] = settle(ARGV[at], at + 2, sends, letter + 1, texts)
  at = letter + 1 + texts
end
if #settled > 0 then
  redis.call('XACK', KEYS[1], group, unpack(settled))
  redis.call('XDEL', KEYS[1], unpack(settled))
  redis.call('HDEL', KEYS[5], unpack(settled))
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
    refused = body and append(body, parked or '')
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

local new, retaken = {}, {}
if want > 0 then
  local shelved = redis.pcall('XPENDING', KEYS[1], group, '-', '+', want, shelf)
  if shelved.err then
    if not string.find(shelved.err, 'NOGROUP', 1, true) then
      return shelved
    end
    -- The queue is new, or was lost with all of Redis. From 0, so that no message sent before is missed.
    redis.call('XGROUP', 'CREATE', KEYS[1], group, '0', 'MKSTREAM')
    shelved = {}
  end
  for _, pending in ipairs(shelved) do
    local entry = redis.call('XCLAIM', KEYS[1], group, me, 0, pending[1])[1]
    if entry then
      retaken[#retaken + 1] = {entry[1], entry[2], redis.call('HGET', KEYS[5], entry[1])}
    else
      redis.call('XACK', KEYS[1], group, pending[1])
    end
  end
  -- Whoever parked a message for an unknown actor is the first to see it due: let others try this time.
  if #retaken < want and not shy then
    local read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', want - #retaken, 'STREAMS', KEYS[1], '>')
    if read then
      new = read[1][2]
    end
  end
end

return {now, due_ms, outcomes, new, retaken}
