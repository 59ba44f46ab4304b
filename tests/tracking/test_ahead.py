"""Work done ahead keeps its order, its errors, and ends when nobody wants more."""

import threading

import pytest

from fusion.tracking.ahead import ahead


def test_everything_comes_in_order():
    assert list(ahead(range(50), lambda n: n * n)) == [n * n for n in range(50)]
    assert list(ahead((), str)) == []


def test_it_is_worked_out_in_another_thread_and_no_further_ahead_than_asked():
    begun, go_on = [], threading.Semaphore(0)

    def work(n):
        begun.append(threading.current_thread())
        go_on.acquire()
        return n

    results = ahead(range(20), work, most=2)
    for _ in range(20):
        go_on.release()
    assert next(results) == 0
    assert threading.current_thread() not in begun
    assert list(results) == list(range(1, 20))
    assert threading.active_count() < 20


def test_an_error_comes_in_its_turn():
    def work(n):
        if n == 3:
            raise ValueError("the fourth is bad")
        return n

    got = []
    with pytest.raises(ValueError, match="fourth"):
        got.extend(ahead(range(9), work))  # what came before the error stays
    assert got == [0, 1, 2]

    def items():
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        list(ahead(items(), str))


def test_who_stops_early_ends_the_thread():
    taken = []

    def items():
        for n in range(1000):
            taken.append(n)
            yield n

    results = ahead(items(), lambda n: n, most=2)
    assert next(results) == 0
    before = threading.active_count()
    results.close()
    assert threading.active_count() == before - 1
    assert len(taken) < 10
