"""An archive is watched: when a series is answered, and what happens when something fails."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fake_archive import STUDY, FakeArchive, series_of
from gadolin.dicom_network.dicomweb_study import AnsweredSeries, SeriesAnswerer
from gadolin.dicom_network.dicomweb_watch import SeriesWatch, Watched, watch
from gadolin.errors import ArchiveError
from gadolin.models.predictor import Predictor
from gadolin.records import Failure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return Predictor.load(make_bundle().folder)


@pytest.fixture
def watching(predictor):
    def start(archive, **watched):
        return SeriesWatch(SeriesAnswerer(archive, predictor), Watched(**watched))

    return start


def error(code):
    return ArchiveError(code=code, rule="the archive must work")


def summary(outcomes):
    return [one.code if isinstance(one, Failure) else (one.series.number, one.slices) for one in outcomes]


def test_a_series_is_answered_once_its_number_of_images_stays_the_same(watching):
    first, second, third = series_of(3)
    archive = FakeArchive(first)
    watched = watching(archive)
    assert summary(watched.poll()) == []
    archive.add(second)
    assert summary(watched.poll()) == []
    assert summary(watched.poll()) == [("1", 2)]
    assert summary(watched.poll()) == []
    archive.add(third)
    assert summary(watched.poll()) == []
    (late,) = watched.poll()
    assert isinstance(late, AnsweredSeries)
    assert [one.kind for one in late.objects] == ["report", "rejection"]
    assert summary(watched.poll()) == []


def test_a_number_that_the_archive_does_not_state_is_counted(watching):
    archive = FakeArchive(*series_of(2))
    archive.counts_series = False
    watched = watching(archive)
    assert summary(watched.poll()) == []
    assert summary(watched.poll()) == [("1", 2)]


def test_a_series_whose_images_cannot_be_counted_is_reported_and_does_not_stop_the_others(watching, monkeypatch):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    archive.counts_series = False
    instances = archive.instances

    def lacking(study, series, **more):
        if series.endswith(".1"):
            raise error("archive_answer_invalid")
        return instances(study, series, **more)

    monkeypatch.setattr(archive, "instances", lacking)
    watched = watching(archive)
    assert [summary(watched.poll()) for _ in range(5)] == [[], [("2", 1)], [], ["archive_answer_invalid"], []]
    archive.failing["series"] = error("archive_unreachable")
    with pytest.raises(ArchiveError):
        list(watched.poll())


def test_an_archive_that_is_gone_while_images_are_counted_ends_the_poll(watching):
    archive = FakeArchive(*series_of(1))
    archive.counts_series = False
    archive.failing["instances"] = error("archive_unreachable")
    with pytest.raises(ArchiveError):
        list(watching(archive).poll())


def test_after_a_start_what_was_answered_is_not_retrieved_again(watching):
    archive = FakeArchive(*series_of(2))
    watched = watching(archive)
    list(watched.poll())
    assert len(list(watched.poll())) == 1
    retrieved = archive.calls["retrieve"]
    watched = watching(archive)
    assert [summary(watched.poll()) for _ in range(3)] == [[], [], []]
    assert archive.calls["retrieve"] == retrieved


def test_other_modalities_and_localisers_are_not_answered(watching):
    archive = FakeArchive(*series_of(1, Modality="CT"), *series_of(3, number=2, planes=True))
    watched = watching(archive)
    list(watched.poll())
    (left,) = watched.poll()
    assert (left.slices, [one.code for one in left.left_out]) == (0, ["localiser"] * 3)
    assert summary(watched.poll()) == []


def test_a_series_that_fails_is_reported_once_until_it_changes(watching):
    (image,) = series_of(1)
    archive = FakeArchive(image, *series_of(1, number=2))
    archive.files[f"{STUDY}.1.1"] = image[:-5000]
    watched = watching(archive)
    list(watched.poll())
    failed, answered = watched.poll()
    assert (failed.path, answered.series.number) == ("series 1", "2")
    assert summary(watched.poll()) == []
    archive.add(series_of(2)[1])
    assert summary(watched.poll()) == []
    assert summary(watched.poll()) == [("1", 1)]


@pytest.mark.parametrize("code", ["archive_stored_partly", "archive_failed"])
def test_a_series_that_the_archive_refuses_is_tried_at_three_polls(watching, code):
    archive = FakeArchive(*series_of(1))
    archive.failing["store"] = error(code)
    watched = watching(archive)
    assert [summary(watched.poll()) for _ in range(6)] == [[], [], [], [code], [], []]
    assert archive.calls["store"] == 3


def test_a_full_disk_is_tried_at_three_polls(watching):
    archive = FakeArchive(*series_of(1))
    archive.failing["retrieve"] = OSError(28, "No space left on device")
    watched = watching(archive)
    assert [summary(watched.poll()) for _ in range(5)] == [[], [], [], ["unwritable"], []]


def test_a_series_with_which_the_archive_hangs_does_not_block_the_others_for_ever(watching, monkeypatch):
    archive = FakeArchive(*series_of(1), *series_of(1, number=2))
    retrieve = archive.retrieve

    def hanging(study, series, instance, path):
        if series.endswith(".1"):
            raise error("archive_too_slow")
        retrieve(study, series, instance, path)

    monkeypatch.setattr(archive, "retrieve", hanging)
    watched = watching(archive)
    list(watched.poll())
    for _ in range(2):
        with pytest.raises(ArchiveError):
            list(watched.poll())
    assert summary(watched.poll()) == ["archive_too_slow", ("2", 1)]


def test_the_search_covers_the_last_days_or_all_or_one_study(watching):
    archive = FakeArchive(*series_of(1), *series_of(1, study="1.2.9"), *series_of(1, number=2))
    for days, since in ((7, date.today() - timedelta(days=7)), (0, None)):
        list(watching(archive, days=days).poll())
        assert archive.seen_since == since
    watched = watching(archive, study=STUDY, series=f"{STUDY}.2")
    list(watched.poll())
    assert archive.seen_since is None
    (only,) = watched.poll()
    assert (only.series.study, only.series.series) == (STUDY, f"{STUDY}.2")


def test_a_series_that_is_gone_is_forgotten(watching):
    archive = FakeArchive(*series_of(1))
    watched = watching(archive)
    list(watched.poll())
    assert len(watched._seen) == 1
    archive.files.clear()
    list(watched.poll())
    assert len(watched._seen) == 0


class Polls:
    """Gives prepared outcomes: an error is raised, a list is yielded; after the last, the watch is interrupted."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def poll(self):
        if not self.steps:
            raise KeyboardInterrupt
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        yield from step


def run(*steps, every=60.0):
    """Watch until the steps are used up; return what was shown, the messages, and the pauses."""
    shown, messages, pauses = [], [], []
    with pytest.raises(KeyboardInterrupt):
        watch(Polls(*steps), every, show=shown.append, notify=messages.append, wait=pauses.append)
    return shown, messages, pauses


def test_what_is_answered_is_shown_and_each_poll_waits():
    assert run(["a"], [], ["b", "c"]) == (["a", "b", "c"], [], [60.0, 60.0, 60.0])


@pytest.mark.parametrize("code", ["archive_unreachable", "archive_too_slow", "archive_failed"])
def test_an_archive_that_is_away_is_polled_ever_more_rarely_with_one_message(code):
    away = error(code)
    shown, messages, pauses = run(away, away, away, away, away, ["a"], away, [])
    assert shown == ["a"]
    assert len(messages) == 4
    assert str(away) in messages[0]
    assert messages[1] == messages[3] == "the archive answers again"
    assert pauses == [120.0, 240.0, 480.0, 600.0, 600.0, 60.0, 120.0, 60.0]


def test_the_pause_is_never_shorter_than_between_two_polls():
    away = error("archive_unreachable")
    assert run(away, away, every=3600.0)[2] == [3600.0, 3600.0]


@pytest.mark.parametrize(
    "code", ["archive_refused", "archive_tls_failed", "archive_redirects", "archive_answer_invalid"]
)
def test_a_wrong_address_or_access_ends_the_watch_at_the_start_only(code):
    wrong = error(code)
    with pytest.raises(ArchiveError):
        watch(Polls(wrong), 60.0, show=print, notify=print, wait=print)
    messages = run([], wrong, [])[1]
    assert len(messages) == 2


def test_the_number_of_failures_may_grow_for_ever():
    away = error("archive_unreachable")
    assert run(*[away] * 1100)[2][-1] == 600.0
