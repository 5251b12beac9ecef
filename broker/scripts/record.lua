-- Write down what a monitor saw: counts of one minute, and attempts.
--
-- KEYS   1 totals  2 rates  3 attempts
-- ARGV   1 how long to keep the rates in s  2 greatest age of an attempt in ms  3 greatest number of attempts
--        4 number of counts, each: event and actor, how often
--        … attempts, each: number of texts (fields and values), the texts
-- Result nothing

local at = 5
for _ = 1, tonumber(ARGV[4]) do
  redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
  redis.call('HINCRBY', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 2
end
redis.call('EXPIRE', KEYS[2], ARGV[1])
if at > #ARGV then
  return
end
while at <= #ARGV do
  local texts = tonumber(ARGV[at])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 1, at + texts))
  at = at + texts + 1
end
local time = redis.call('TIME')
redis.call('XTRIM', KEYS[3], 'MINID', '~', string.format('%.0f', time[1] * 1000 - ARGV[2]))
