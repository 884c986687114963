"""Open HTTP sessions for REDCap, Dropbox and Azure, with the configured proxies and certificates."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consent.config.checks import split_url
from consent.config.settings import LOOPBACK_HOSTS, Network, Settings
from consent.errors import Problem, SettingsError

if TYPE_CHECKING:
    import requests


def usable_network(settings: Settings) -> Network:
    """Return the network settings; raises SettingsError if one of them cannot be used."""
    network = settings.network
    new_session(network).close()  # checks certificates and proxies
    return network


def new_session(network: Network, *urls: str) -> "requests.Session":
    """Open a session for these addresses; the caller closes it.

    Addresses on this machine, or named in NO_PROXY, are reached without a proxy. Redirects are not followed.
    Raises SettingsError if the certificate file does not exist or a proxy is not an address.
    """
    from consent.config.http_limits import NoRedirectSession

    if network.ca_bundle and not Path(network.ca_bundle).exists():
        what = f"REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) names a file that does not exist: {network.ca_bundle}."
        raise SettingsError([Problem(what, "Correct or remove it.")])
    session = NoRedirectSession()
    session.trust_env = False  # a .netrc entry would replace the token, REQUESTS_CA_BUNDLE the explicit `verify`
    session.verify = network.ca_bundle or True
    session.proxies = _proxies(network, urls)
    return session


def _proxies(network: Network, urls: tuple[str, ...]) -> dict[str, str]:
    from requests.utils import should_bypass_proxies

    by_scheme = {"https": network.https_proxy, "http": network.http_proxy}
    proxies = {scheme: proxy for scheme, proxy in by_scheme.items() if proxy}
    problems = [
        Problem(f"{scheme.upper()}_PROXY is not an address.", "Set it to http://HOST:PORT, or remove it.")
        for scheme, proxy in proxies.items()  # never shown: a proxy's address may contain a password
        if split_url(proxy if "//" in proxy else f"//{proxy}") is None
    ]
    if problems:
        raise SettingsError(problems)
    for url in urls:
        parts = urlsplit(url)
        is_exempt = network.no_proxy is not None and should_bypass_proxies(url, no_proxy=network.no_proxy)
        if parts.hostname in LOOPBACK_HOSTS or is_exempt:
            proxies[f"{parts.scheme}://{parts.hostname}"] = ""  # the more exact key takes precedence; "" means none
    return proxies
