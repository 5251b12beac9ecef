-- Fragment, included by others: the lanes of a queue, and the names of entries and delayed messages in them.
--
-- Needs KEYS 1 stream  7 urgent  8 bulk

local LANES = {u = KEYS[7], [''] = KEYS[1], b = KEYS[8]}

-- The most urgent first.
local MARKS = {'u', '', 'b'}

-- An entry's name is its id behind its lane's mark. Returns stream, id, mark.
local function entry_of(name)
  local first = string.byte(name)
  if first == 117 then
    return KEYS[7], string.sub(name, 2), 'u'
  elseif first == 98 then
    return KEYS[8], string.sub(name, 2), 'b'
  end
  return KEYS[1], name, ''
end

-- The ids of delayed messages end in ':' and their lane's mark, if it has one.
local function lane_of(waiting_id)
  return LANES[string.match(waiting_id, ':([ub])$') or '']
end

-- Whether `name` is pending for `consumer` (then also stream, id and mark), or Redis's refusal.
local function owned_by(consumer, group, name)
  local stream, id, mark = entry_of(name)
  local owned = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
  if owned.err then
    return false, not string.find(owned.err, 'NOGROUP', 1, true) and owned or nil
  end
  return #owned > 0, nil, stream, id, mark
end
