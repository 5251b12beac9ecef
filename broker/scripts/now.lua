-- Tell the time of the server that has a queue.
--
-- KEYS   1 any key of the queue
-- Result now, in ms since 1970

local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
