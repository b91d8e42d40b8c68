"""Only programs that cannot differ from call to call pass for arithmetic."""

from __future__ import annotations

import pytest

from evaluators.discovery.arithmetic import is_arithmetic

F = "def priority(item, remaining):\n"


@pytest.mark.parametrize(
    "body",
    [
        "    return 0\n",
        "    gap = remaining - item\n    return np.where(gap % item < 3, -gap, gap / item)\n",
        "    '''Text.'''\n    n = 0\n    for k in range(3):\n        n += k\n    return n\n",
        "    return np.maximum(item, remaining).sum(axis=0)\n",
    ],
)
def test_arithmetic_is_recognised(body: str) -> None:
    assert is_arithmetic(F + body)


@pytest.mark.parametrize(
    "source",
    [
        "import os\n" + F + "    return os.urandom(1)[0]\n",
        F + "    return np.random.random(item.shape)\n",
        F + "    return np.random.default_rng().random(item.shape)\n",
        F + "    return np.empty(item.shape)\n",
        F + "    return np.add(item, item, where=item > 3)\n",
        F + "    return np.sum(**item)\n",
        F + "    return id(item)\n",
        F + "    return hash('a')\n",
        F + "    return open('/proc/uptime')\n",
        F + "    import time\n    return time.time()\n",
        F + "    return item.__class__\n",
        F + "    return item.data\n",
        F + "    return np.full(3, 0, like=unknown)\n",
        F + "    np = item\n    return np.sum()\n",
        F + "    priority.seen = item\n    return 0\n",
        "def priority(item, remaining, seen=[]):\n    return len(seen)\n",
        "@later\ndef priority(item, remaining):\n    return 0\n",
        F + "    return (lambda: 0)()\n",
        F + "    return __import__('time').time()\n",
        "count = 0\n" + F + "    global count\n    count += 1\n    return count\n",
        "class A:\n    pass\n" + F + "    return 0\n",
        F + "    return 0" + " + 0" * 9000 + "\n",
        "def broken(:\n",
        "x = '\0'",
    ],
)
def test_what_may_differ_is_not(source: str) -> None:
    assert not is_arithmetic(source)
