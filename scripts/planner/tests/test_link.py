"""Messages between the planner and `tercet plan`, over real pipes."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]


def run(code, lines, hang_up=False):
    """What a program with a `link` says on stdout and on stderr when it is sent these lines, and
    its exit code. The other side stays until it ends, or hangs up at once.
    """
    program = f"import os, time\nfrom planner.link import Link\nlink = Link()\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=SCRIPTS,
        text=True,
    )
    with process:
        print(*map(json.dumps, lines), sep="\n", file=process.stdin, flush=True)
        if hang_up:
            process.stdin.close()
        said = [json.loads(line) for line in process.stdout]
        return said, process.stderr.read(), process.wait()


def test_only_messages_go_to_stdout():
    code = "print('a remark', flush=True); link.send('done', x=1); os._exit(0)"
    assert run(code, []) == ([{"done": {"x": 1}}], "a remark\n", 0)


def test_costs_are_asked_for_and_belong_to_the_question():
    code = "link.send('got', costs=link.costs([{}, {}])); os._exit(0)"
    reply = {"costs": {"id": 1, "costs": [{"cost": 5}, {"cost": 4}]}}
    said, errors, exit_code = run(code, [reply])
    assert said == [
        {"cost": {"id": 1, "plans": [{}, {}]}},
        {"got": {"costs": [{"cost": 5}, {"cost": 4}]}},
    ]
    assert (errors, exit_code) == ("", 0)
    for wrong in ({"id": 2, "costs": [{}, {}]}, {"id": 1, "costs": [{}]}):
        said, errors, exit_code = run(code, [{"costs": wrong}])
        assert len(said) == 1 and exit_code == 1
        assert "costs of other plans than those asked for" in errors


def test_another_message_is_an_error():
    said, errors, exit_code = run("link.receive('start')", [{"costs": {}}])
    assert (said, exit_code) == ([], 1)
    assert "a message `costs` instead of `start`" in errors


def test_it_ends_with_the_one_that_started_it():
    said, errors, exit_code = run("time.sleep(600)", [], hang_up=True)
    assert (said, errors, exit_code) == ([], "planner: tercet is gone\n", 1)
