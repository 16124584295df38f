#!/usr/bin/env python3
"""Prometheus reads the scheduler's statistics: promtool's lint, then a real server scrapes them and answers a query.

    check_prometheus.py EXPOSITION_PROGRAM

Exit 77 (skip) without promtool or prometheus.
"""
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check_buckets(text):
    """What promtool does not notice: buckets that fall, a missing +Inf, a count that differs from it."""
    buckets = {}
    for name, le, value in re.findall(r'^(\w+)_bucket\{le="([^"]+)"\} (\S+)$', text, re.M):
        buckets.setdefault(name, []).append((float(le), float(value)))
    assert len(buckets) == 4, buckets.keys()
    for name, rows in buckets.items():
        assert rows == sorted(rows) and [v for _, v in rows] == sorted(v for _, v in rows), name
        assert rows[-1][0] == float("inf"), name
        assert float(re.search(rf"^{name}_count (\S+)$", text, re.M)[1]) == rows[-1][1], name


def lint(text):
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60)
    if result.returncode != 0:
        sys.exit(f"promtool: {result.returncode}: {result.stdout}{result.stderr}")


def query(port, expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.request.quote(expression)}"
    with urllib.request.urlopen(url, timeout=5) as f:
        return json.load(f)["data"]["result"]


def scrape(program):
    target, server = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/prometheus.yml", "w") as f:
            f.write("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: nce\n  static_configs:\n"
                    f"  - targets: ['127.0.0.1:{target}']\n")
        exporter = subprocess.Popen([program, str(target), "90"], stdout=subprocess.PIPE, text=True)
        prometheus = None
        try:
            assert exporter.stdout.readline() == "ready\n"
            prometheus = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{server}", "--log.level=error"], stderr=subprocess.DEVNULL)
            for _ in range(80):
                time.sleep(1)
                try:
                    found = query(server, "nce_generation_tokens_total")
                except OSError:
                    continue
                if found:
                    break
            else:
                sys.exit("prometheus has scraped nothing in 80 s")
            assert float(found[0]["value"][1]) > 5000, found
            p95 = query(server, "histogram_quantile(0.95, nce_time_to_first_token_seconds_bucket)")
            assert 0.01 < float(p95[0]["value"][1]) < 2560, p95
            up = query(server, "sum(nce_node_up)")
            assert float(up[0]["value"][1]) == 2, up
        finally:
            for process in (prometheus, exporter):
                if process is not None:
                    process.terminate()
                    process.wait(20)


def main():
    if not shutil.which("promtool") or not shutil.which("prometheus"):
        print("SKIP: no promtool or prometheus (Debian package prometheus)")
        sys.exit(77)
    program = sys.argv[1]
    text = subprocess.run([program], text=True, capture_output=True, check=True, timeout=60).stdout
    check_buckets(text)
    lint(text)
    scrape(program)
    print("promtool finds nothing, prometheus has scraped and answered")


if __name__ == "__main__":
    main()
