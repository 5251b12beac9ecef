-- Put messages on one lane of a queue, in their order, as long as the queue has room for them.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  7 urgent  8 bulk  12 unique  13 unique until
-- ARGV   1 how many messages the queue may have, in all lanes, or -1  2 wake ms (see send.lua)
--        3 the lane's mark
--        4 how many texts describe a message: 1 (its body) or 6
--        5 … messages, one after another, each of them:
--            body, id to wait under, delay ms, claim or '', for how many ms (0: until the message ends), message id
-- Result {how many messages are dealt with, why not all, twins}
--          why       '' all are; 'FULL'; else the text of Redis's refusal
--          twins     number from 1, message id, …: messages that were not sent, because another holds their claim

-- include: send.lua
-- include: claims.lua

local limit, wake_ms, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local stream = LANES[ARGV[3]]
local now = now_ms()
local room, dealt, twins = math.huge, 0, {}

if limit >= 0 then
  room = limit - redis.call('ZCARD', KEYS[2])
  for _, mark in ipairs(MARKS) do
    room = room - redis.call('XLEN', LANES[mark])
  end
end

-- The message at ARGV[at] is sent, or has a twin. Returns why not.
local function place(at)
  local delay_ms, claim = 0, ''
  if width > 1 then
    delay_ms, claim = tonumber(ARGV[at + 2]), ARGV[at + 3]
  end
  local twin = claim ~= '' and claimant(claim, now)
  if twin then
    twins[#twins + 1] = dealt + 1
    twins[#twins + 1] = twin
    return nil
  end
  if room <= 0 then
    return 'FULL'
  end
  local refused
  if delay_ms > 0 then
    refused = send(ARGV[at + 1], delay_ms, '', ARGV[at], now, wake_ms)
  else
    refused = append(stream, ARGV[at], '')
  end
  if refused then
    return refused
  end
  if claim ~= '' then
    stake(claim, ARGV[at + 5], tonumber(ARGV[at + 4]), now)
  end
  room = room - 1
  return nil
end

for at = 5, #ARGV, width do
  local why = place(at)
  if why then
    return {dealt, why, twins}
  end
  dealt = dealt + 1
end
return {dealt, '', twins}
