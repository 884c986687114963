"""Opens the one kind of HTTPS session that REDCap, Dropbox and Key Vault share: proxies and certificates as set.

Reads no environment and no .netrc, and retries nothing: whoever uses the session decides that.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consent.config.checks import split_url
from consent.config.settings import LOOPBACK_HOSTS, Network, Settings
from consent.errors import SettingsError

if TYPE_CHECKING:
    import requests


def usable_network(settings: Settings) -> Network:
    """How to reach the outside world; the certificates that it names are there.

    Raises:
        SettingsError: they are not, or Azure left a setting unresolved.
    """

    network = settings.network
    new_session(network).close()  # which checks that the certificates are there
    return network


def new_session(network: Network, *urls: str) -> "requests.Session":
    """Open a session that reaches these addresses the way this machine's network wants it.

    urls: the addresses it will be used for; those on this machine, or named in NO_PROXY, are reached without a proxy.
    The caller closes it. Raises SettingsError if the file of certificates is not there, or a proxy is no address.
    """
    import requests

    verify = _certificates(network)
    session = requests.Session()
    session.trust_env = False  # a .netrc entry would replace the token, REQUESTS_CA_BUNDLE the explicit `verify`
    session.verify = verify
    session.proxies = _proxies(network, urls)
    return session


def _certificates(network: Network) -> str | bool:
    if network.ca_bundle is None:
        return True
    if not Path(network.ca_bundle).exists():
        problem = "REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) names a file that is not there: correct or remove it"
        raise SettingsError([problem])
    return network.ca_bundle


def _proxies(network: Network, urls: tuple[str, ...]) -> dict[str, str]:
    by_scheme = {"https": network.https_proxy, "http": network.http_proxy}
    proxies = {scheme: proxy for scheme, proxy in by_scheme.items() if proxy}
    _ensure_proxy_addresses(proxies)
    for url in urls:
        parts = urlsplit(url)
        if parts.hostname in LOOPBACK_HOSTS or _is_exempt(url, network.no_proxy):
            proxies[f"{parts.scheme}://{parts.hostname}"] = ""  # the more exact key wins, and an empty one means none
    return proxies


def _ensure_proxy_addresses(proxies: Mapping[str, str]) -> None:
    """Say so of each proxy that is no address; it is not repeated, for it may hold a password."""
    problems = [
        f"{scheme.upper()}_PROXY is no address of a proxy, such as http://HOST:PORT: correct or remove it"
        for scheme, proxy in proxies.items()
        if split_url(proxy if "//" in proxy else f"//{proxy}") is None
    ]
    if problems:
        raise SettingsError(problems)


def _is_exempt(url: str, no_proxy: str | None) -> bool:
    from requests.utils import should_bypass_proxies

    return no_proxy is not None and should_bypass_proxies(url, no_proxy=no_proxy)
