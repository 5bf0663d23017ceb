"""A script of the team's own that watches the shop and posts a page as soon as orders fail."""

import json
import os
import time
import urllib.request

URL = f"http://fd-monitoring:9095/source/watchdog/{os.environ['RECEIVER']}"

while True:
    time.sleep(0.5)
    try:
        with urllib.request.urlopen("http://shop:9100/metrics", timeout=1) as page:
            fails = b"alert_active 1" in page.read()
        if fails:
            urllib.request.urlopen(URL, data=json.dumps({"title": "OrdersFail"}).encode(), timeout=1).close()
            time.sleep(60)
    except OSError as error:
        print(error, flush=True)
