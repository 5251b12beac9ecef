-- Put a message aside until it is due, by Redis's clock.
--
-- KEYS   1 stream  2 delayed  3 bodies  4 parked
-- ARGV   1 the id it waits under  2 delay in ms  3 body  4 wake ms (see send.lua)
-- Result nothing; raises Redis's refusal (OOM, …), and then nothing was changed.

-- include: send.lua

local refused = send(ARGV[1], tonumber(ARGV[2]), '', ARGV[3], now_ms(), tonumber(ARGV[4]))
if refused then
  return redis.error_reply(refused)
end
