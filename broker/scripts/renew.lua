-- Begin the leases of entries anew, as far as they are still this consumer's.
--
-- KEYS   1 stream
-- ARGV   1 group  2 consumer  3 … entry ids
-- Result the ids that are no longer this consumer's

local mine, lost = {}, {}
for i = 3, #ARGV do
  local owned = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if owned.err and not string.find(owned.err, 'NOGROUP', 1, true) then
    return owned
  end
  if #owned == 0 then
    lost[#lost + 1] = ARGV[i]
  else
    mine[#mine + 1] = ARGV[i]
  end
end
if #mine > 0 then
  local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0}
  for _, id in ipairs(mine) do
    claim[#claim + 1] = id
  end
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
end
return lost
