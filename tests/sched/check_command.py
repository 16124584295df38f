#!/usr/bin/env python3
"""nce sched from outside: results, exit codes (0 done, 1 failed, 2 usage) and one-line messages.

    check_command.py NCE_PROGRAM
"""
import subprocess
import sys
import tempfile

GRAPH = """graph [
  node [ id 0 label "a" ] node [ id 1 label "b" ] node [ id 2 label "c" ] node [ id 3 label "alone" ]
  edge [ source 0 target 1 ] edge [ source 1 target 2 ] edge [ source 0 target 2 ]
]
"""
DIMACS = "c three roads\np sp 3 3\na 1 2 5\na 2 3 5\na 1 3 20\n"
COSTS = "1,2\n1,3\n2,5\n4,4\n"
TRACE = "".join(
    f'{{"timestamp": {i * 500}, "input_length": 1500, "output_length": 20, "hash_ids": [{i % 3}, {10 + i % 3}, {100 + i}]}}\n'
    for i in range(60))


def main():
    nce = sys.argv[1]

    def run(code, expected, *arguments):
        r = subprocess.run([nce, "sched", *arguments], text=True, capture_output=True, timeout=120)
        out = r.stdout + r.stderr
        assert r.returncode == code, (arguments, r.returncode, out)
        assert expected in out, (arguments, expected, out)
        if code:
            assert r.stderr.count("\n") == 1 or code == 2, r.stderr

    with tempfile.TemporaryDirectory() as d:
        def file(name, text):
            with open(f"{d}/{name}", "w") as f:
                f.write(text)
            return f"{d}/{name}"

        gml, gr = file("g.gml", GRAPH), file("g.gr", DIMACS)
        costs, trace = file("c.csv", COSTS), file("t.jsonl", TRACE)
        for algorithm in ("auto", "dijkstra", "astar", "bellman-ford"):
            run(0, "certificate verified", "route", gr, "--from", "1", "--to", "3", "--algorithm", algorithm)
            run(0, "1 -> 2 -> 3", "route", gr, "--from", "1", "--to", "3", "--algorithm", algorithm)
        run(0, "1 -> 3", "route", gr, "--from", "1", "--to", "3", "--k", "2")
        run(0, "1 -> 3", "route", gr, "--from", "1", "--to", "3", "--resource", "hops", "--limit", "1")
        run(0, "1 -> 3", "route", gr, "--from", "1", "--to", "3", "--resource", "hops", "--pareto")
        run(1, "at least 1 is needed", "route", gr, "--from", "1", "--to", "3", "--resource", "hops", "--limit", "0")
        run(1, "a power where a time is wanted", "route", gr, "--from", "1", "--to", "3", "--limit", "3 W")
        run(1, "no route from 'a' to 'alone'", "route", gml, "--from", "a", "--to", "alone")
        run(1, "no vertex is named 'x'", "route", gml, "--from", "a", "--to", "x")
        run(1, "line 1", "route", file("bad.gr", "p sp 2 1 a 1 9 1"), "--from", "1", "--to", "2")
        run(2, "--from", "route", gml)
        run(2, "not known", "route", gml, "--from", "a", "--to", "b", "--algorithm", "magic")
        run(0, "assigned 3 of 3, cost 9, optimal (at least 9), certificate verified", "assign", costs)
        run(0, "greedy", "assign", costs, "--method", "greedy")
        run(1, "line 2: 2 costs are expected", "assign", file("bad.csv", "1,2\n1\n"))
        run(0, "cache-aware", "replay", trace, "--nodes", "2", "--kill-at", "5")
        run(0, "cost-aware", "replay", trace, "--eviction")
        run(1, "line 1", "replay", file("bad.jsonl", "{}"))
        run(2, "no action", "fly")
        run(0, "usage", "--help")
    print("nce sched answers as it should")


if __name__ == "__main__":
    main()
