"""Any other page: an address with a template in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from bridge.enrich.links.language import ADDRESS
from bridge.enrich.links.options import LinkOptions, base_url
from bridge.enrich.links.problem import Problem
from bridge.enrich.links.template import Template, Written


def _fixed_host(template: Template) -> Template:
    """Return the template if its scheme and host are written out: no incident chooses where a link goes."""
    start = template.source.split("{{")[0].split("{%")[0].split("{#")[0]
    scheme, _, rest = start.partition("://")
    host = rest.replace("?", "/").replace("#", "/").partition("/")
    if not host[1]:
        raise ValueError("begin with the whole host and a slash, as in https://wiki.example.com/{{ service }}")
    base_url(f"{scheme}://{host[0]}")
    return template


class Url(LinkOptions):
    """A page of your own: `url` is a template in which every value is percent-encoded."""

    kind: Literal["url"]
    url: Annotated[Template, Written(ADDRESS), AfterValidator(_fixed_host)]

    def build(self, problem: Problem) -> str | None:
        return self.url.render(problem)
