"""Whole searches over Ray, with trainers that train nothing: minutes."""

import tempfile
import unittest

from planner.tests.fake import Session, cost, start

EMPTY = {"activations": {}, "pools": {}}


class Searches(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def session(self, **fields):
        session = Session(start(self.folder.name, **fields))
        self.addCleanup(session.kill)
        return session

    def test_both_kinds_of_search_reach_from_all_to_nothing(self):
        for search, score in (("pbt", "safenet"), ("pbt", "delphi"), ("tree", "safenet")):
            with self.subTest(search=search, score=score), tempfile.TemporaryDirectory() as folder:
                session = Session(start(folder, search=search, score=score))
                self.addCleanup(session.kill)
                session.listen()
                self.assertEqual((session.code, len(session.all("done"))), (0, 1), session.errors)
                results = session.all("result")
                self.assertEqual((results[0]["plan"], results[0]["accuracy"]), (EMPTY, 1.0))
                self.assertLess(min(cost(result["plan"])["cost"] for result in results), 40)
                self.assertEqual(session.all("failure"), [])
                self.assertGreaterEqual(session.all("progress")[-1]["seconds_left"], 0)

    def test_killed_in_the_middle_it_goes_on(self):
        session = self.session(points=3)
        seen = []

        def is_third(kind, fields):
            if kind == "progress" and fields["run"] not in seen:
                seen.append(fields["run"])
            return len(seen) == 3

        session.listen(is_third)
        session.kill()
        left = session.all("progress")[-1]["seconds_left"]
        again = self.session(points=3)
        again.listen()
        self.assertEqual(again.code, 0, again.errors)
        runs = {fields["run"] for fields in again.all("progress")}
        self.assertIn("saved-1.000", runs)
        self.assertFalse(runs & set(seen[:2]))
        self.assertLess(again.all("progress")[0]["seconds_left"], left)

    def test_failures_and_nonsense_are_told_and_the_rest_goes_on(self):
        session = self.session(
            points=6, iterations=8, seconds=900, trainer="planner.tests.fake:Moody"
        )
        session.listen()
        self.assertEqual(session.code, 0, session.errors)
        self.assertGreater(len(session.all("result")), 10)
        reasons = {failure["reason"] for failure in session.all("failure")}
        self.assertTrue(any("loss is nan" in reason for reason in reasons), reasons)
        self.assertTrue(any("accuracy is nan" in reason for reason in reasons), reasons)

    def test_a_trainer_that_never_works_is_an_error(self):
        session = self.session(trainer="planner.tests.fake:Broken")
        session.listen()
        self.assertNotEqual(session.code, 0)
        self.assertIn("could not be measured", session.errors)
        self.assertIn("out of order", session.all("failure")[0]["reason"])

    def test_it_ends_when_nobody_listens(self):
        session = self.session()
        session.listen(lambda kind, fields: kind == "result")
        session.process.stdin.close()
        session.process.stdout.close()
        self.assertNotEqual(session.process.wait(timeout=60), 0)
