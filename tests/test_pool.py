"""Tests of the thread pool and OpenCV's own threads."""

import threading

import cv2
import pytest

from gadolin.pool import thread_pool


@pytest.fixture(autouse=True)
def three_threads_of_opencv():
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(before)


def test_opencv_has_one_thread_until_the_last_pool_is_closed():
    with thread_pool():
        with thread_pool():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == 3


def test_opencv_has_its_threads_again_after_an_error():
    with pytest.raises(ZeroDivisionError), thread_pool() as pool:
        list(pool.map(lambda number: 1 / number, [1, 0]))
    assert cv2.getNumThreads() == 3


def test_what_waits_is_given_up_after_an_error():
    go_on, done = threading.Event(), []

    def interrupted() -> None:
        with thread_pool(1) as pool:
            pool.submit(go_on.wait)
            pool.submit(done.append, "waited")
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == []


@pytest.mark.parametrize(("processors", "most", "workers"), [(8, 3, 3), (2, 3, 2), (None, 3, 1), (8, None, 8)])
def test_a_pool_has_a_thread_for_each_processor_and_no_more_than_asked(monkeypatch, processors, most, workers):
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    with thread_pool(most) as pool:
        assert pool._max_workers == workers
