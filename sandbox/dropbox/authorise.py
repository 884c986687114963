"""The sign-in page: the app and its scopes, Allow and Cancel, and the access code to copy.

It has the content of Dropbox's own page, not its design. The visitor is already signed in to Dropbox.
"""

from html import escape
from urllib.parse import parse_qs

from sandbox.dropbox.sign_in import Person, RefusedPageError, SignIn, SignInRequest
from sandbox.server import Request, Response

AUTHORISE_PATH = "/oauth2/authorize"

_MEANING = {
    "account_info.read": "View basic information about your Dropbox account such as your username, email, and country",
    "files.metadata.read": "View information about your Dropbox files and folders",
    "files.content.write": "Edit content of your Dropbox files and folders",
    "files.content.read": "View content of your Dropbox files and folders",
}
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} - Dropbox (simulated)</title>
<style>
body {{ margin: 0 auto; padding: 2rem 1rem; max-width: 36rem; font: 1rem/1.5 system-ui, sans-serif; color: #1e1919; }}
.simulated {{ color: #52606d; }}
fieldset {{ margin: 1rem 0; border: 1px solid #cbd2d9; }}
label {{ display: block; padding: .25rem 0; }}
button {{ padding: .5rem 1.5rem; font: inherit; border: 1px solid #1e1919; background: #fff; color: inherit; }}
button[value=allow] {{ background: #0061fe; border-color: #0061fe; color: #fff; }}
code {{ display: block; padding: 1rem; background: #f3f6f9; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<p class="simulated">A simulated dropbox.com on this machine</p>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def authorise_page(sign_in: SignIn, request: Request) -> Response:
    """Show the page, or respond to its buttons."""
    try:
        requested = sign_in.read_request(request.query)
    except RefusedPageError as refused:
        return _page("Error (400)", _refusal(str(refused)), status=400)
    if request.method != "POST":
        return _page(f"{sign_in.app_name} would like to:", _question(sign_in, requested))
    pressed = {name: values[0] for name, values in parse_qs(request.body.decode("ascii", "replace")).items()}
    if pressed.get("answer") != "allow":
        return _page("Not connected", "<p>The app was not given access. You can close this page.</p>")
    person = next((each for each in sign_in.people if each.account_id == pressed.get("account")), sign_in.people[0])
    return _page("Access code generated", _code(sign_in, sign_in.allow(requested, person)))


def _question(sign_in: SignIn, requested: SignInRequest) -> str:
    scopes = "".join(f"<li>{_MEANING.get(scope, scope)} ({scope})</li>" for scope in sorted(requested.scopes))
    choices = "".join(_choice(person, chosen=person is sign_in.people[0]) for person in sign_in.people)
    return f"""<ul>{scopes}</ul>
<form method="post">
<fieldset><legend>Choose an account</legend>{choices}</fieldset>
<button name="answer" value="cancel">Cancel</button>
<button name="answer" value="allow">Allow</button>
</form>"""


def _choice(person: Person, *, chosen: bool) -> str:
    words = f"{escape(person.name)} ({escape(person.email)})"
    radio = f'<input type="radio" name="account" value="{person.account_id}"{" checked" if chosen else ""}>'
    return f"<label>{radio} {words}</label>"


def _code(sign_in: SignIn, code: str) -> str:
    return f"""<p>Enter this code into {escape(sign_in.app_name)} to finish the process:</p>
<code aria-label="Access code">{code}</code>"""


def _refusal(details: str) -> str:
    return f"""<p>It seems the app you were using submitted a bad request. If you would like to report this error to the
app's developer, include the information below.</p>
<h2>More details for developers</h2>
<p>{escape(details)}</p>"""


def _page(title: str, body: str, *, status: int = 200) -> Response:
    return Response(status, dict(_HEADERS), _PAGE.format(title=escape(title), body=body).encode())
