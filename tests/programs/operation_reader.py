#!/usr/bin/env python3
"""Reads one quantity from a meter's web page, in the manner of programs for real 8650 meters: HTTP Basic,
/Operation.html, the cell beside the label. Python's standard library only.

    operation_reader.py ADDRESS [LABEL [USER PASSWORD]]
"""

import html.parser
import sys
import urllib.request


class Rows(html.parser.HTMLParser):
    """Collects `td.l` and the `td.v` that follows it."""

    def __init__(self):
        super().__init__()
        self.values = {}
        self.label = None
        self.cell = None

    def handle_starttag(self, tag, attributes):
        if tag == "td":
            self.cell = dict(attributes).get("class")

    def handle_endtag(self, tag):
        if tag == "td":
            self.cell = None

    def handle_data(self, text):
        if self.cell == "l":
            self.label = text
        elif self.cell == "v":
            self.values[self.label] = text


def main():
    address, label, user, password = (sys.argv[1:] + ["kW total", None, None][len(sys.argv) - 2 :])[:4]
    url = "http://%s/Operation.html" % address
    handlers = []
    if user is not None:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, url, user, password)
        handlers.append(urllib.request.HTTPBasicAuthHandler(passwords))
    page = urllib.request.build_opener(*handlers).open(url, timeout=30).read().decode("utf-8")
    rows = Rows()
    rows.feed(page)
    number, _unit = rows.values[label].split(" ")
    print(float(number))


if __name__ == "__main__":
    main()
