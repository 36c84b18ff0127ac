"""Who may see the pages, and which requests may change something."""

import hashlib
import hmac
import re
import secrets
from time import time
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request, Response

from app.settings import get_settings

SESSION_SECONDS = 12 * 3600
# With this prefix, no other host or port can set it. It requires https.
SECURE_COOKIE = "__Host-ops"
SESSION = re.compile(r"([0-9]{10})\.[0-9a-f]{64}")
# Where a login may lead to: a page of these routes, and nothing that a browser takes for a host.
OWN_PAGE = re.compile(r"/ops(/jobs(/[0-9a-f-]{36})?)?(\?[A-Za-z0-9_=&.-]*)?")


def is_open() -> bool:
    """In development, a token that is not set is not required."""
    return get_settings().ops_token is None


def is_right(token: str) -> bool:
    return secrets.compare_digest(token.encode(errors="replace"), _token())


def set_session(response: Response, seconds: int = SESSION_SECONDS) -> None:
    """Any process can check it, and a new OPS_TOKEN ends it. So do 0 seconds."""
    name, value = _cookie(), _signed(int(time()) + seconds)
    is_secure = name == SECURE_COOKIE
    response.set_cookie(name, value, seconds, httponly=True, secure=is_secure, samesite="strict")


def has_session(request: Request) -> bool:
    given = request.cookies.get(_cookie(), "")
    found = SESSION.fullmatch(given)
    is_current = found is not None and int(found[1]) > time()
    return is_open() or (is_current and secrets.compare_digest(given, _signed(given[:10])))


def own_page(path: str) -> str:
    return path if OWN_PAGE.fullmatch(path) else "/ops"


def link(request: Request, path: str) -> str:
    """A proxy may serve the pages below a path of its own."""
    return str(request.scope.get("root_path", "")) + path


def login(request: Request, wanted: str) -> str:
    return link(request, f"/ops/login?next={quote(wanted, safe='')}")


async def require_session(request: Request) -> None:
    if has_session(request):
        return
    wanted = "/ops"
    if request.method == "GET":
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        wanted = own_page(f"{path}?{request.url.query}".rstrip("?"))
    raise HTTPException(303, "Please log in.", {"Location": login(request, wanted)})


async def require_same_origin(request: Request) -> None:
    """Only our own pages may send a form. A page of another site or port may not."""
    site, host = request.headers.get("sec-fetch-site"), request.headers.get("host")
    origin = request.headers.get("origin")
    # Browsers send no Sec-Fetch-Site over http to a name other than localhost.
    is_own = site == "same-origin" if site else origin in (f"https://{host}", f"http://{host}")
    if request.method != "GET" and not is_own:
        raise HTTPException(403, "Only forms of these pages may do this.")


SameOrigin = Depends(require_same_origin)
# In this order, a form of another site learns nothing about the session.
OperatorOnly = [SameOrigin, Depends(require_session)]


def _signed(until: int | str) -> str:
    mark = hmac.new(_token(), f"ops {until}".encode(), hashlib.sha256)
    return f"{until}.{mark.hexdigest()}"


def _token() -> bytes:
    token = get_settings().ops_token
    return token.get_secret_value().encode() if token else b""


def _cookie() -> str:
    return "ops" if get_settings().environment == "development" else SECURE_COOKIE
