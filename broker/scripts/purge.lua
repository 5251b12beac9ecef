-- Delete dead letters for good: those named, or the oldest ones.
--
-- KEYS   1 dead  2 bytes of the dead
-- ARGV   1 greatest number of them  2 the last id of those to delete, or ''  3 … else their ids
-- Result how many were deleted

-- include: dead.lua

local purged = 0
local function purge(first, last)
  for _, letter in ipairs(redis.call('XRANGE', KEYS[1], first, last, 'COUNT', ARGV[1])) do
    drop(KEYS[1], KEYS[2], letter)
    purged = purged + 1
  end
end

if ARGV[2] ~= '' then
  purge('-', ARGV[2])
end
for i = 3, #ARGV do
  purge(ARGV[i], ARGV[i])
end
return purged
