"""Cookie hygiene in both directions: ours never reach the application, nor come from it.

Where there is no guard, in Lua: Envoy has no native way to take one cookie out of a header. It
runs last before the application and only on hosts where a cookie of ours can exist. Envoy passes a
request on when its script fails, so every step is caught here: what cannot be cleaned is refused.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.fragment import Filter, Fragment, ListenerSite, Site, Stage
from ostiary.policy.to_rbac import MAY_RESULT
from ostiary.protos import pack
from ostiary.protos.messages import (
    core,
    lua,
    matcher,
    matching,
    route,
    skip_filter,
    wkt,
    xds_core,
    xds_matcher,
)
from ostiary.wire import COOKIE_PREFIX, RBAC_METADATA, SHADOW_RESULT

_COMMON: Final = """\
local OURS = "@prefix@"

-- The name of the cookie that begins at `at`. Browsers send a nameless cookie as its value alone:
-- leading blanks and `=` count for nothing.
local function name_at(text, at) return text:match("^[%s=]*([^=;%s]*)", at) end

local function is_ours(name) return name:sub(1, #OURS) == OURS end

-- HTTP/1.1 clients may send several lines; `get` would join them with commas, which hide names.
local function lines(headers, name)
  local all = {}
  for index = 0, headers:getNumValues(name) - 1 do
    all[#all + 1] = headers:getAtIndex(name, index)
  end
  return all
end
"""
_REQUEST: Final = """
-- True when two cookies have one name of ours, of which two readers could choose differently.
local function clean_request(handle)
  local headers = handle:headers()
  local cookie = headers:get("cookie")
  if cookie == nil or not cookie:find(OURS, 1, true) then return false end
  if cookie:find(",", 1, true) then cookie = table.concat(lines(headers, "cookie"), ";") end
  local kept, seen, at = {}, {}, 1
  while at <= #cookie do  -- `find` in plain text: a pattern would look at each byte of the token
    local stop = cookie:find(";", at, true) or #cookie + 1
    local name = name_at(cookie, at)
    if not is_ours(name) then
      if at < stop then kept[#kept + 1] = cookie:sub(at, stop - 1):match("^%s*(.*)$") end
    elseif seen[name] then
      return true
    else
      seen[name] = true
    end
    at = stop + 1
  end
  if #kept == 0 then headers:remove("cookie")
  else headers:replace("cookie", table.concat(kept, "; ")) end
  return false
end

local function refuse(handle, status, words)
  handle:respond({[":status"] = status, ["content-type"] = "text/plain; charset=utf-8"}, words)
end

function envoy_on_request(handle)
  local ran, twice = pcall(clean_request, handle)
  if not ran then
    refuse(handle, "500", "500 Internal Server Error: the cookies of this request could not be " ..
      "cleaned, so it goes nowhere. Delete the cookies of this host and try again.\\n")
  elseif twice then
    refuse(handle, "400", "400 Bad Request: this request has two cookies named " .. OURS ..
      "...; delete the cookies of this host and sign in again.\\n")
  end
end
"""
_RESPONSE: Final = """
-- Answers of the gate and of `login` pass here too, with cookies that are truly ours. They exist
-- only where the rules said no before the slow path, and did not say yes after it.
local function is_local(handle)
  local results = handle:streamInfo():dynamicMetadata():get("@rbac@") or {}
  return results["@shadow@"] == "denied" and results["@may@"] ~= "allowed"
end

local function clean_response(handle)
  local headers = handle:headers()
  local all = headers:get("set-cookie")
  if all == nil or not all:find(OURS, 1, true) then return end
  if is_local(handle) then return end
  local kept = {}
  for _, value in ipairs(lines(headers, "set-cookie")) do
    if not is_ours(name_at(value, 1)) then kept[#kept + 1] = value end
  end
  headers:remove("set-cookie")
  for _, value in ipairs(kept) do headers:add("set-cookie", value) end
end

-- Nothing can be answered here any more: an answer that cannot be cleaned sets no cookie at all.
function envoy_on_response(handle)
  if not pcall(clean_response, handle) then handle:headers():remove("set-cookie") end
end
"""


def slots(listener: ListenerSite) -> tuple[Filter, ...]:
    """One filter a direction; that of answers runs where one sets a cookie that sounds like ours.

    A script costs a microsecond by merely being called, and hardly any answer needs it.
    """
    if listener.guard:
        return ()
    answer = core.TypedExtensionConfig(name="script", typed_config=pack(_script(_RESPONSE)))
    config = matching.ExtensionWithMatcher(extension_config=answer, xds_matcher=_unless_ours())
    return (
        Filter(Stage.HYGIENE, Stage.HYGIENE.slot, _script(_REQUEST)),
        Filter(Stage.FORGERIES, Stage.FORGERIES.slot, config),
    )


def fragment(site: Site) -> Fragment:
    """Clean, wherever a browser could send a cookie of ours: on all routes of such a host."""
    if site.guard or (not site.cookies and site.sign_in is None):
        return Fragment()
    on = route.FilterConfig(config=wkt.Any())
    return Fragment(per_route={Stage.HYGIENE.slot: on, Stage.FORGERIES.slot: on})


def _script(text: str) -> lua.Lua:
    """The route stays as it was chosen, whatever happens to a cookie."""
    names = {
        "@prefix@": COOKIE_PREFIX,
        "@rbac@": RBAC_METADATA,
        "@shadow@": SHADOW_RESULT,
        "@may@": MAY_RESULT,
    }
    whole = _COMMON + text
    for name, value in names.items():
        whole = whole.replace(name, value)
    code = core.DataSource(inline_string=whole)
    return lua.Lua(default_source_code=code, clear_route_cache=wkt.BoolValue(value=False))


def _unless_ours() -> xds_matcher.Matcher:
    """Skip where no cookie sounds like ours; what cannot be compared is not skipped."""
    predicate = xds_matcher.Matcher.MatcherList.Predicate
    cookies = matcher.HttpResponseHeaderMatchInput(header_name="set-cookie")
    sounds = predicate.SinglePredicate(
        input=xds_core.TypedExtensionConfig(name="cookies", typed_config=pack(cookies)),
        value_match=xds_matcher.StringMatcher(contains=COOKIE_PREFIX),
    )
    skip = xds_core.TypedExtensionConfig(name="skip", typed_config=pack(skip_filter.SkipFilter()))
    rule = xds_matcher.Matcher.MatcherList.FieldMatcher(
        predicate=predicate(not_matcher=predicate(single_predicate=sounds)),
        on_match=xds_matcher.Matcher.OnMatch(action=skip),
    )
    return xds_matcher.Matcher(matcher_list=xds_matcher.Matcher.MatcherList(matchers=[rule]))
