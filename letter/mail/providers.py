"""The big public mail providers, by which figures are kept. A small domain would name a person, so it is "other"."""

OTHER = "other"
DOMAINS = {
    "gmail": "gmail.com googlemail.com",
    "outlook": "outlook.com hotmail.com live.com msn.com outlook.de hotmail.de hotmail.co.uk hotmail.fr live.de",
    "yahoo": "yahoo.com ymail.com rocketmail.com yahoo.de yahoo.fr yahoo.co.uk aol.com",
    "icloud": "icloud.com me.com mac.com",
    "gmx": "gmx.de gmx.net gmx.com gmx.at gmx.ch",
    "web.de": "web.de",
    "t-online": "t-online.de",
    "mail.ru": "mail.ru inbox.ru list.ru bk.ru internet.ru",
    "yandex": "yandex.ru yandex.com ya.ru yandex.az yandex.by yandex.kz",
    "proton": "proton.me protonmail.com pm.me",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "laposte": "laposte.net",
    "libero": "libero.it",
    "qq": "qq.com",
    "163": "163.com 126.com",
}
PROVIDERS = {domain: provider for provider, domains in DOMAINS.items() for domain in domains.split()}


def of(address: str) -> str:
    """Return the provider of an address, or "other"."""
    return PROVIDERS.get(domain(address), OTHER)


def domain(address: str) -> str:
    """Return the receiving domain of an address, in small letters."""
    return address.rpartition("@")[2].lower()
