-- Count the messages of a queue that are not finished: waiting, in flight and delayed.
--
-- KEYS   1 stream  2 delayed  7 urgent  8 bulk
-- Result that number

local waiting = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[7]) + redis.call('XLEN', KEYS[8])
return waiting + redis.call('ZCARD', KEYS[2])
