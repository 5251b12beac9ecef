-- Count the messages of a queue that are not finished: waiting, in flight and delayed.
--
-- KEYS   1 stream  2 delayed
-- Result that number

return redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
