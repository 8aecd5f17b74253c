"""What is said with `tercet plan`, one JSON object a line; README.md lists the messages."""

import json
import os
import queue
import sys
import threading


class Closed(Exception):
    """The other side is gone."""


class Link:
    """Lines to and from the process that started this one, which ends with that one."""

    def __init__(self):
        """Over stdin and stdout. What else is printed from now on goes to stderr."""
        sys.stdout.flush()
        self.writer = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.lines = queue.SimpleQueue()
        self.asked = 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in sys.stdin:
            self.lines.put(line)
        # Training goes on for minutes between two messages; nobody is there to hear of it.
        print("planner: tercet is gone", file=sys.stderr, flush=True)
        os._exit(1)

    def send(self, kind, **fields):
        try:
            print(json.dumps({kind: fields}), file=self.writer, flush=True)
        except OSError as error:
            raise Closed(str(error)) from error

    def receive(self, kind):
        """The fields of the next message, which must be of this kind."""
        message = json.loads(self.lines.get())
        if list(message) != [kind]:
            raise ValueError(f"a message `{', '.join(message)}` instead of `{kind}`")
        return message[kind]

    def costs(self, plans):
        """What plans cost, in their order."""
        self.asked += 1
        self.send("cost", id=self.asked, plans=plans)
        reply = self.receive("costs")
        if reply["id"] != self.asked or len(reply["costs"]) != len(plans):
            raise ValueError("costs of other plans than those asked for")
        return reply["costs"]
