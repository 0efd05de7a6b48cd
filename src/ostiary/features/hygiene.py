"""Cookie hygiene in both directions: ours never reach the application, nor come from it.

A stand-in for the guard, in Lua: Envoy has no native way to take one cookie out of a header. It
runs last before the application and only on hosts where a cookie of ours can exist.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site, Stage
from ostiary.protos.messages import core, lua, route, wkt
from ostiary.wire import COOKIE_PREFIX

_CODE: Final = """\
local OURS = "@prefix@"

-- Browsers send a nameless cookie as its value alone: leading blanks and `=` count for nothing.
local function is_ours(pair)
  local name = pair:match("^[%s=]*([^=;%s]*)")
  return name:sub(1, #OURS) == OURS, name
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local cookie = headers:get("cookie")
  if cookie == nil or not cookie:find(OURS, 1, true) then return end
  local kept, seen = {}, {}
  for pair in cookie:gmatch("[^;]+") do
    local ours, name = is_ours(pair)
    if not ours then
      kept[#kept + 1] = pair:match("^%s*(.*)$")
    elseif seen[name] then
      handle:respond({[":status"] = "400", ["content-type"] = "text/plain; charset=utf-8"},
        "400 Bad Request: this request has two cookies named " .. OURS .. "...; delete the " ..
        "cookies of this host and sign in again.\\n")
      return
    else
      seen[name] = true
    end
  end
  if #kept == 0 then headers:remove("cookie")
  else headers:replace("cookie", table.concat(kept, "; ")) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local all = headers:get("set-cookie")
  if all == nil or not all:find(OURS, 1, true) then return end
  local kept = {}
  for index = 0, headers:getNumValues("set-cookie") - 1 do
    local value = headers:getAtIndex("set-cookie", index)
    if not is_ours(value) then kept[#kept + 1] = value end
  end
  headers:remove("set-cookie")
  for _, value in ipairs(kept) do headers:add("set-cookie", value) end
end
"""


def slots(listener: ListenerSite) -> tuple[Filter, ...]:  # noqa: ARG001  the same everywhere
    """The filter; the route stays as it was chosen, whatever happens to a cookie."""
    code = core.DataSource(inline_string=_CODE.replace("@prefix@", COOKIE_PREFIX))
    config = lua.Lua(default_source_code=code, clear_route_cache=wkt.BoolValue(value=False))
    return (Filter(Stage.HYGIENE, Stage.HYGIENE.slot, config),)


def fragment(site: Site) -> Fragment:
    """Clean, wherever a browser could send a cookie of ours: on all routes of such a host."""
    if not site.cookies and site.sign_in is None:
        return Fragment()
    return Fragment(per_route={Stage.HYGIENE.slot: route.FilterConfig(config=wkt.Any())})
