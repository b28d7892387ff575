-- Supporters for wrk. Each is a thread with one connection, so its requests follow one another and each can be timed.
--   wrk … -s client.lua URL -- KIND SLUG STAMP TOKENS SECONDS_BETWEEN LABEL READ…
-- KIND is sign, confirm or mixed. TOKENS is the beginning of the names of files of confirmation tokens, one a client.
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long s; long ns; } moment;
int clock_gettime(int clock, moment *now);
]]
local WALL, STEADY = 0, 1
local moment = ffi.new("moment")

local FIRST = {
   "Anar", "Leyla", "Günel", "Əli", "Мария", "Алексей", "Ольга", "Zoë", "Jörg", "Łukasz", "Renée", "Ngozi", "مريم",
   "يوسف", "Νίκος", "Ελένη", "Tamar", "გიორგი", "Anahit", "Արամ", "美咲", "Siobhán", "Çağla", "İlqar", "Mary Ann"
}
local LAST = {
   "Orujov", "Məmmədova", "Sadigov", "Иванова", "Петров", "O’Brien", "Müller", "Żółkiewski", "Lefèvre", "Okafor",
   "الحسن", "Παπαδόπουλος", "ბერიძე", "Սարգսյան", "佐藤", "de la Cruz", "Yıldız", "Smith-Jones", "van der Berg", "Ivers"
}
local POST = { ["Content-Type"] = "application/x-www-form-urlencoded", ["Sec-Fetch-Site"] = "same-origin" }
local READ = { ["Accept-Encoding"] = "gzip, deflate, br, zstd" }

local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("number", #threads)
end

-- wrk hands numbers from a thread to `done`, but no tables: so each time taken is a global of its own.
local function note(name, value)
   local place = (_G[name] or 0) + 1
   _G[name], _G[name .. place] = place, value
end

local function noted(name)
   local all = {}
   for _, thread in ipairs(threads) do
      for place = 1, thread:get(name) or 0 do table.insert(all, thread:get(name .. place)) end
   end
   table.sort(all)
   return all
end

local function now(clock)
   ffi.C.clock_gettime(clock, moment)
   return tonumber(moment.s) * 1000 + tonumber(moment.ns) / 1e6
end

local function quote(text)
   return (text:gsub("[^%w%-._~]", function(c) return string.format("%%%02X", c:byte()) end))
end

function init(args)
   kind, slug, stamp, tokens_at, between, label = args[1], args[2], args[3], args[4], tonumber(args[5]) * 1000, args[6]
   reads = {}
   for place = 7, #args do table.insert(reads, args[place]) end
   count, step, token = 0, nil, nil
   math.randomseed(number * 7919 + #label)
   if between == 0 then delay = nil else due = now(STEADY) + between * number / 64 end
   local file = io.open(tokens_at .. number)
   next_token = file and file:lines() or function() return nil end
end

local function sign()
   count = count + 1
   local name = FIRST[math.random(#FIRST)] .. " " .. LAST[math.random(#LAST)] .. " " .. number .. "." .. count
   -- The moment of signing is in the address, so that whoever gets the mail knows how long it took.
   local address = string.format("%s.%d.%d.%d@mail%d.example", label, number, count, now(WALL), count % 40)
   local body = "stamp=" .. quote(stamp) .. "&name=" .. quote(name) .. "&affiliation=" .. quote("Readers’ Union, Baku")
      .. "&email=" .. quote(address) .. "&display=public&kind=person&language=en"
   step, expected = "sign", 303
   return wrk.format("POST", "/" .. slug .. "/sign", POST, body)
end

local function confirm()
   step, expected = "confirm", 200
   local used = token
   token = nil
   return wrk.format("POST", "/confirm/" .. used, POST, "stamp=" .. quote(stamp))
end

local function ask()
   token = next_token()
   step, expected = "read", 200
   return wrk.format("GET", "/confirm/" .. (token or "no-token-is-left"), READ)
end

local function read()
   step, expected = "read", 200
   return wrk.format("GET", reads[math.random(#reads)], READ)
end

local function mixed()  -- of a hundred requests ninety read (four of them what they are going to confirm)
   local chance = math.random() * 96
   if chance < 6 then return sign() end
   if chance < 10 then return ask() end
   return read()
end

local KINDS = { sign = sign, confirm = ask, mixed = mixed }

function request()
   local made = token and confirm() or KINDS[kind]()
   begun = now(STEADY)
   return made
end

function response(status)
   local ended = now(STEADY)
   if status == expected then
      note("took_" .. step, ended - begun)
   else
      note("answered", status)
      token = nil
   end
   due = (due or 0) + between
end

function delay()
   return math.floor(math.max(0, due - now(STEADY)))
end

local function part(sorted, share)
   return sorted[math.max(1, math.ceil(#sorted * share))] or 0
end

function done(summary)
   local said, bad, others = {}, {}, {}
   for _, step in ipairs({ "sign", "confirm", "read" }) do
      local all = noted("took_" .. step)
      table.insert(said, string.format('"%s": {"count": %d, "p50": %.2f, "p99": %.2f, "max": %.2f}',
         step, #all, part(all, 0.5), part(all, 0.99), part(all, 1)))
   end
   for _, status in ipairs(noted("answered")) do bad[status] = (bad[status] or 0) + 1 end
   for status, times in pairs(bad) do table.insert(others, string.format('"%d": %d', status, times)) end
   local errors = summary.errors
   io.write(string.format('\n{"seconds": %.6f, "broken": %d, "others": {%s}, %s}\n', summary.duration / 1e6,
      errors.connect + errors.read + errors.write + errors.timeout, table.concat(others, ", "), table.concat(said, ", ")))
end
