-- Fragment, included by others: add dead letters and drop them, keeping count of their bytes.
--
-- Needs the keys of the letters and of the count as arguments. The count is of the texts alone; Redis
-- needs about a tenth more. Letters that strangers add or delete are not in it, so it is never below 0.

local function weight(texts)
  local bytes = 0
  for _, text in ipairs(texts) do
    bytes = bytes + #tostring(text)
  end
  return bytes
end

local function drop(dead, count, letter)
  redis.call('XDEL', dead, letter[1])
  if redis.call('XLEN', dead) == 0 then
    redis.call('UNLINK', count)
    return
  end
  local left = tonumber(redis.call('GET', count) or 0) - weight(letter[2])
  -- Without memory for a number, the count begins anew: letters are kept longer then, and deleting them works.
  if redis.pcall('SET', count, string.format('%.0f', math.max(0, left))).err then
    redis.call('UNLINK', count)
  end
end

-- Drop the oldest until all bounds are kept; the newest always stays. At most 1,000 at a time, to be short.
local function retain(dead, count, oldest_ms, most, most_bytes)
  for _ = 1, 1000 do
    local letters = redis.call('XLEN', dead)
    local letter = letters > 1 and redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1]
    if not letter then
      return
    end
    local kept = letters <= most and tonumber(redis.call('GET', count) or 0) <= most_bytes
    if kept and tonumber(string.match(letter[1], '^%d+')) >= oldest_ms then
      return
    end
    drop(dead, count, letter)
  end
end

-- Returns nil when done, else the text of Redis's refusal (then nothing was changed).
local function bury(dead, count, texts)
  local added = redis.pcall('XADD', dead, '*', unpack(texts))
  if type(added) == 'table' and added.err then
    return added.err
  end
  redis.call('INCRBY', count, weight(texts))
  return nil
end
