-- Begin the leases of entries anew, as far as they are still this consumer's.
--
-- KEYS   1 stream  7 urgent  8 bulk
-- ARGV   1 group  2 consumer  3 … the entries' names
-- Result the names of those that are no longer this consumer's

-- include: lanes.lua

local mine, lost = {u = {}, [''] = {}, b = {}}, {}
for i = 3, #ARGV do
  local owned, refused, _, id, mark = owned_by(ARGV[2], ARGV[1], ARGV[i])
  if refused then
    return refused
  end
  if owned then
    table.insert(mine[mark], id)
  else
    lost[#lost + 1] = ARGV[i]
  end
end
for mark, ids in pairs(mine) do
  if #ids > 0 then
    ids[#ids + 1] = 'JUSTID'
    redis.call('XCLAIM', LANES[mark], ARGV[1], ARGV[2], 0, unpack(ids))
  end
end
return lost
