-- Hand entries back, so that whoever turns next takes them before anything new.
--
-- They keep their ids, places and counted starts; only their consumer changes.
--
-- KEYS   1 stream  2 starts
-- ARGV   1 group  2 consumer  3 the consumer that keeps what was handed back
--        4 '1' when they were started (and hang): their starts are counted from now on
--        5 … entry ids
-- Result how many were this consumer's to hand back

local given = 0
for i = 5, #ARGV do
  local owned = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if owned.err and not string.find(owned.err, 'NOGROUP', 1, true) then
    return owned
  end
  if #owned > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[i], 'JUSTID')
    if ARGV[4] == '1' then
      redis.pcall('HSETNX', KEYS[2], ARGV[i], 0)
    end
    given = given + 1
  end
end
if given > 0 then
  -- Wakes one consumer that is blocked on the stream.
  redis.pcall('XADD', KEYS[1], '*', 'w', '1')
end
return given
