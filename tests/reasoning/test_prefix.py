"""The pool of slots: sharing, keeping, evicting."""

from __future__ import annotations

import random

from reasoning.models.decoding.prefix import Place, PrefixPool


def test_siblings_share_a_stem_and_own_the_rest() -> None:
    pool = PrefixPool(20, 100)
    first = pool.take([1, 2, 3, 4], 3, 2)
    second = pool.take([1, 2, 3, 4], 3, 2)
    assert first and second
    assert (first.cached, second.cached) == (0, 3)
    assert first.slots[:3].tolist() == second.slots[:3].tolist()
    assert not set(first.slots[3:].tolist()) & set(second.slots[3:].tolist())
    assert pool.free == 20 - 3 - 4


def test_generated_tokens_become_a_prefix_when_their_row_ends() -> None:
    pool = PrefixPool(20, 100)
    place = pool.take([1, 2], 1, 4)
    assert place
    pool.give(place, [2, 7, 8])  # the fourth slot was never written
    longer = pool.take([1, 2, 7, 8, 9], 4, 1)
    assert longer and longer.cached == 4
    assert longer.slots[:4].tolist() == place.slots[:4].tolist()


def test_the_same_tokens_of_two_rows_are_kept_once() -> None:
    pool = PrefixPool(20, 100)
    places = [pool.take([1, 2], 1, 3) for _ in range(2)]
    for place in places:
        assert place
        pool.give(place, [2, 7])
    assert pool.free == 20 - 3


def test_a_full_pool_refuses_and_the_oldest_ends_go_first() -> None:
    pool = PrefixPool(8, 100)
    old = pool.take([1, 2, 3], 2, 1)
    assert old
    pool.give(old, [3])
    new = pool.take([4, 5], 1, 1)
    assert new
    pool.give(new, [5])
    standing = pool.take([6, 7, 8, 9], 3, 2)
    assert standing and pool.take([1], 0, 4, spare=0) is None
    assert pool.free == 3  # all that nothing held has gone
    pool.give(standing, [9, 9])
    after = pool.take([6, 7, 8, 9], 3, 1)
    assert after and after.cached == 3


def test_the_used_branch_outlives_the_unused() -> None:
    pool = PrefixPool(8, 100)
    for ids in ([1, 2], [3, 4], [1, 2]):
        place = pool.take(ids, 1, 1)
        assert place
        pool.give(place, ids[1:])
    place = pool.take([8, 9], 1, 5)  # needs six of the four free: evicts [3, 4]
    assert place
    pool.give(place, [])
    again = pool.take([1, 2, 5], 2, 1)
    assert again and again.cached == 2


def test_random_use_never_shares_a_slot_wrongly_nor_loses_one() -> None:
    rng = random.Random(0)
    pool = PrefixPool(64, 4)
    content: dict[int, tuple[int, ...]] = {}  # slot -> the exact prefix computed there
    standing: list[tuple[Place, list[int], int]] = []
    for _ in range(3000):
        if standing and (rng.random() < 0.5 or len(standing) > 5):
            place, ids, own = standing.pop(rng.randrange(len(standing)))
            tail = ids[place.stem :] + [rng.randrange(3) for _ in range(rng.randint(0, own - 1))]
            full = ids[: place.stem] + tail
            for at in range(place.stem, len(full)):
                content[int(place.slots[at])] = tuple(full[: at + 1])
            pool.give(place, tail)
            continue
        ids = [rng.randrange(3) for _ in range(rng.randint(1, 12))]
        own = rng.randint(1, 6)
        place = pool.take(ids, len(ids) - 1, own)
        if place is None:
            continue
        for at in range(place.cached):
            assert content[int(place.slots[at])] == tuple(ids[: at + 1])
        for at in range(place.cached, place.stem):
            content[int(place.slots[at])] = tuple(ids[: at + 1])
        standing.append((place, ids, own))
        held = [s for p, _, _ in standing for s in p.slots[p.stem :].tolist()]
        assert len(held) == len(set(held))
    for place, ids, _ in standing:
        pool.give(place, ids[place.stem :])
    everything = pool.take([3], 0, 64)
    assert everything and sorted(everything.slots.tolist()) == list(range(64))
