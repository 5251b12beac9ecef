-- Count a start of an entry that was taken over from another consumer.
--
-- KEYS   1 stream  2 starts
-- ARGV   1 group  2 consumer  3 entry id
-- Result the starts counted so far, this one included; 0 when it is no longer this consumer's

local owned = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if owned.err and not string.find(owned.err, 'NOGROUP', 1, true) then
  return owned
end
if #owned == 0 then
  return 0
end
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
