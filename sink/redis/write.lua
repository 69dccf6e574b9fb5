-- Runs the commands of records. KEYS: the owner and the markers of Options.Once, then the keys of the commands. ARGV: the number of markers, or -1
-- without Options.Once; then the time to live of markers in milliseconds, the epoch of the writer, 1 if it has not claimed the markers yet, and for each
-- marker the first offset of the checkpoint. Behind them, for each record: the number of its marker, or 0, its offset and its name, all without
-- Options.Once left out; the number of its commands, and for each command the number of its arguments and these.
-- A command "?HSET" finds out whether the server takes writes, because it refuses the first write of a script alone: its WRONGTYPE counts for nothing.
-- The answer is the number of records that are written, with the error of the next one, or -1 if another owner has claimed the markers.
local ARGV, total, pcall, call, tonumber, unpack = ARGV, #ARGV, redis.pcall, redis.call, tonumber, unpack
local markers, at = tonumber(ARGV[1]), 2
local once = markers >= 0
local function finish(written, err)
  if once then
    for i = 1, markers + 1 do
      call('PEXPIRE', KEYS[i], ARGV[2])
    end
  end
  return {written, err}
end
if once then
  local owner = call('GET', KEYS[1])
  if ARGV[4] ~= '1' and owner and owner > ARGV[3] then
    return {-1}
  end
  call('SET', KEYS[1], ARGV[3])
  at = 5
  for i = 1, markers do
    call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', '(' .. ARGV[at])
    at = at + 1
  end
end
local written = 0
while at <= total do
  local new, marker, name = true, nil, nil
  if once then
    if ARGV[at] ~= '0' then
      marker, name = KEYS[1 + tonumber(ARGV[at])], ARGV[at + 2]
      new = call('ZADD', marker, 'NX', ARGV[at + 1], name) == 1
    end
    at = at + 3
  end
  local commands = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, commands do
    local count = tonumber(ARGV[at])
    if new then
      local answer
      if ARGV[at + 1] == '?HSET' then
        answer = pcall('HSET', unpack(ARGV, at + 2, at + count))
        if type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE', 1, true) then
          answer = nil
        end
      else
        answer = pcall(unpack(ARGV, at + 1, at + count))
      end
      if type(answer) == 'table' and answer.err then
        if marker then
          call('ZREM', marker, name)
        end
        return finish(written, answer.err)
      end
    end
    at = at + 1 + count
  end
  written = written + 1
end
return finish(written, nil)
