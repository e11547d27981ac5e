#!/usr/bin/env python3
"""Drives a real Chromium over its debugging pipe. Python's standard library only.

    browser.py PROFILE WIDTH HEIGHT < steps.json

Steps are pairs: ["open", URL] loads a page; ["do", SCRIPT] runs a script as the user's hand would act, and waits for
the page that it leads to; ["see", ""] prints the page's text; ["shoot", FILE] takes a picture of it.
"""

import base64
import json
import os
import select
import subprocess
import sys
import time

PATIENCE = 120


class Browser:
    def __init__(self, profile, width, height):
        to_read, self.to = os.pipe()
        self.from_, to_write = os.pipe()

        def fds():
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)
            os.closerange(5, 64)

        # Above 4, so that one dup2 doesn't close what the other needs.
        to_read, to_write = (os.dup2(to_read, 60), os.dup2(to_write, 61))
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server",
             "--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir=" + profile,
             "--hide-scrollbars", "--window-size=%s,%s" % (width, height), "about:blank"],
            preexec_fn=fds, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height), deviceScaleFactor=1,
                  mobile=False)

    def message(self):
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.from_, 1 << 16) if ready else b""
            if not data:
                raise SystemExit("the browser says nothing")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, **params):
        self.number += 1
        call = {"id": self.number, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        os.write(self.to, json.dumps(call).encode() + b"\0")
        return self.number

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = self.message()
            if message.get("id") == number:
                if "error" in message:
                    raise SystemExit("%s: %s" % (method, message["error"]))
                return message["result"]

    def loaded(self):
        while self.message().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script):
        return self.call("Runtime.evaluate", expression=script)["result"].get("value")

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    browser = Browser(*sys.argv[1:4])
    try:
        for step, what in json.load(sys.stdin):
            if step == "open":
                browser.send("Page.navigate", url=what)
                browser.loaded()
            elif step == "do":
                browser.send("Runtime.evaluate", expression=what)
                browser.loaded()
            elif step == "see":
                print(browser.evaluate("document.body.innerText"))
            elif step == "shoot":
                picture = browser.call("Page.captureScreenshot")["data"]
                with open(what, "wb") as file:
                    file.write(base64.b64decode(picture))
    finally:
        browser.close()


if __name__ == "__main__":
    main()
