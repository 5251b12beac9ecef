-- Empty a queue: waiting, in flight, delayed and dead messages. Whether it is paused stays.
--
-- The streams themselves stay, because they remember their last ids: ids must not be used twice.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked  5 starts  6 dead  7 urgent  8 bulk  9 alive  10 paused  11 bytes
--        12 unique  13 unique until  14 cancelled
-- ARGV   1 group
-- Result nothing

redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[11], KEYS[12], KEYS[13], KEYS[14])
for _, stream in ipairs({KEYS[7], KEYS[1], KEYS[8]}) do
  if redis.call('EXISTS', stream) == 1 then
    redis.call('XTRIM', stream, 'MAXLEN', 0)
    redis.call('XGROUP', 'DESTROY', stream, ARGV[1])
    redis.call('XGROUP', 'CREATE', stream, ARGV[1], '0')
  end
end
