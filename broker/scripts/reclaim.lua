-- Take over entries whose consumer let its lease run out, lane after lane, a few pages at a time.
--
-- XAUTOCLAIM takes from everyone, and gives no more than ids:
--   what its caller holds itself is renewed first, so that it does not come back;
--   a lane where handed-back entries wait is passed over, because every turn takes those first, uncounted;
--   what is more than the caller wants goes to where handed-back entries are kept.
--
-- KEYS   1 stream  5 starts  7 urgent  8 bulk
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back  4 lease ms
--        5 the lane to begin with (1 is the most urgent)  6 its cursor ('0-0' is the beginning)
--        7 how many to take  8 greatest number of pages of 1,000 pending entries to look through
-- Result {lane to go on with, 0 at the end; cursor, taken}
--          taken     {name, fields, starts counted so far}

-- include: lanes.lua

local group, me, shelf, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local want, pages = tonumber(ARGV[7]), tonumber(ARGV[8])
local COUNT = 100  -- XAUTOCLAIM looks at ten times as many
local taken, shelved = {}, false

local function others_hold_some(stream)
  local summary = redis.pcall('XPENDING', stream, group)
  if summary.err then
    -- No group: the next turn makes it.
    return false, not string.find(summary.err, 'NOGROUP', 1, true) and summary or nil
  end
  local some = false
  for _, consumer in ipairs(summary[4] or {}) do
    if consumer[1] == shelf then
      return false
    end
    some = some or consumer[1] ~= me
  end
  return some
end

local function renew_mine(stream)
  local mine = {}
  for _, pending in ipairs(redis.call('XPENDING', stream, group, 'IDLE', lease_ms, '-', '+', 1000, me)) do
    mine[#mine + 1] = pending[1]
  end
  if #mine > 0 then
    mine[#mine + 1] = 'JUSTID'
    redis.call('XCLAIM', stream, group, me, 0, unpack(mine))
  end
end

local function take(stream, mark, id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    -- Deleted under its consumer; Redis 6.2 keeps such entries pending for ever.
    redis.call('XACK', stream, group, id)
    return
  end
  -- From now on its starts are counted: it may be what killed its worker.
  local name = mark .. id
  redis.call('HSETNX', KEYS[5], name, 0)
  if #taken < want then
    taken[#taken + 1] = {name, entry[2], redis.call('HGET', KEYS[5], name)}
  else
    redis.call('XCLAIM', stream, group, shelf, 0, id, 'JUSTID')
    shelved = true
  end
end

local lane, cursor = tonumber(ARGV[5]), ARGV[6]
while lane <= 3 and pages > 0 and #taken < want do
  local stream = LANES[MARKS[lane]]
  local some, refused = others_hold_some(stream)
  if refused then
    return refused
  end
  if not some then
    cursor = '0-0'
  else
    renew_mine(stream)
    local claimed = redis.call('XAUTOCLAIM', stream, group, me, lease_ms, cursor, 'COUNT', COUNT, 'JUSTID')
    cursor = claimed[1]
    for _, id in ipairs(claimed[2]) do
      take(stream, MARKS[lane], id)
    end
    pages = pages - 1
  end
  if cursor == '0-0' then
    lane = lane + 1
  end
end
if shelved then
  -- Wakes one consumer that is blocked on the lanes.
  redis.pcall('XADD', KEYS[1], '*', 'w', '1')
end
return {lane <= 3 and lane or 0, cursor, taken}
