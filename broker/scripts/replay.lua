-- Put dead letters back on their queue: each is sent and deleted, or stays as it is.
--
-- KEYS   1 dead  2 bytes of the dead  3 … lanes
-- ARGV   for each letter: its id, its lane (0 the first), its message
-- Result {how many were replayed, '' or the text of the refusal (OOM, …) that ended it}

-- include: dead.lua

local replayed = 0
for i = 1, #ARGV, 3 do
  local letter = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  -- Else another operator was quicker.
  if letter then
    local sent = redis.pcall('XADD', KEYS[3 + ARGV[i + 1]], '*', 'm', ARGV[i + 2])
    if type(sent) == 'table' and sent.err then
      return {replayed, sent.err}
    end
    drop(KEYS[1], KEYS[2], letter)
    replayed = replayed + 1
  end
end
return {replayed, ''}
