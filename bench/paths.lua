-- wrk asks for several paths in turn: wrk -s bench/paths.lua URL -- PATH PATH ...
local requests, at = {}, 0

function init(args)
  for i, path in ipairs(args) do
    requests[i] = wrk.format("GET", path)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
