-- Count a start of an entry that was taken over from another consumer.
--
-- KEYS   1 stream  5 starts  7 urgent  8 bulk
-- ARGV   1 group  2 consumer  3 the entry's name
-- Result the starts counted so far, this one included; 0 when it is no longer this consumer's

-- include: lanes.lua

local owned, refused = owned_by(ARGV[2], ARGV[1], ARGV[3])
if refused then
  return refused
end
if not owned then
  return 0
end
return redis.call('HINCRBY', KEYS[5], ARGV[3], 1)
