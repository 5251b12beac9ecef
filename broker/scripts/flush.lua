-- Empty a queue: waiting, in flight, delayed and dead messages.
--
-- The stream itself stays, because it remembers its last id: ids must not be used twice.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  5 starts  6 dead
-- ARGV   1 group
-- Result nothing

redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
  redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
end
