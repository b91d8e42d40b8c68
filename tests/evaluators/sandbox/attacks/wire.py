"""Forged frames on the candidate's own channel: whatever arrives there is data to be checked.

A frame is its kind (`P` printed, `R` answer, `E` error), 4 bytes of length and a body; a body is 4
bytes of length, a JSON text `[tree, arrays]`, and the arrays' bytes (evaluators/sandbox/codec.py).
"""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from dataclasses import replace
from typing import Any

from attacks.case import ANYTHING, Attack, attack, patience

HEAD = """
import json, os, struct, time

def body(text, raw=b""):
    text = text if isinstance(text, bytes) else text.encode()
    start = struct.pack(">I", len(text)) + text
    return start + (bytes(-len(start) % 16) + raw if raw else b"")

def frame(kind, body, length=None):
    return kind + struct.pack(">I", len(body) if length is None else length) + body

def send(data):
    while data:
        data = data[os.write(3, data):]

def answer(tree, arrays="[]", raw=b""):
    send(frame(b"R", body("[%s,%s]" % (tree, arrays), raw)))

def error(kind, text='"x"', line="1", code="1"):
    send(frame(b"E", body("[[%s,%s,%s,%s],[]]" % (kind, text, line, code))))

def attack(world):
    try:
        {action}
    finally:
        {after}
"""
LOOSE = "ok crashed exception timeout bad_output forbidden memory"
SPOILT = "crashed bad_output timeout memory"


def wire(
    name: str,
    action: str,
    verdicts: str = SPOILT,
    value: Any = ANYTHING,
    after: str = "os._exit(0)",
) -> Attack:
    """Write something to the channel, then end."""
    source = HEAD.format(action=action, after=after)
    limits = replace(patience(verdicts), output_bytes=1 << 20)
    return attack("wire", name, source, verdicts, limits=limits, value=value)


ATTACKS: list[Attack] = [
    wire("wire-answer", "answer('1000000000.0')", "ok crashed", 1e9),
    wire("wire-answer-then-loop", "answer('1000000000.0')", "ok timeout crashed", 1e9, "while True: pass"),
    wire("wire-answer-then-true-answer", "answer('1')", LOOSE, after="return 2"),
    wire("wire-two-answers", "answer('1'); answer('2')", LOOSE),
    wire("wire-hundred-answers", "[answer('1') for _ in range(100)]", LOOSE, after="return 2"),
    wire("wire-error-then-answer", "error('\"exception\"'); answer('1')", LOOSE),
    wire("wire-kind-unknown", "send(frame(b'X', body('[1,[]]')))"),
    wire("wire-claim-of-death", "error('\"sandbox_died\"')", SPOILT + " exception"),
    wire("wire-claim-of-ok", "error('\"ok\"')", SPOILT + " exception"),
    wire("wire-claim-of-cheating", "error('\"cheating\"')", SPOILT + " exception"),
    wire("wire-claim-of-nothing", "error('null', 'null', 'null', 'null')", SPOILT + " exception"),
    wire("wire-claim-of-lists", "error('[[]]', '[1]', '{\"a\":1}', '[]')", SPOILT + " exception"),
    wire("wire-claim-of-a-long-line", "error('\"exception\"', '\"x\"', '9' * 3000, '9' * 3000)", SPOILT + " exception"),
    wire("wire-claim-of-a-long-reason", "error('\"exception\"', '\"' + 'x' * 100000 + '\"')", SPOILT + " exception"),
    wire("wire-error-of-junk", "send(frame(b'E', os.urandom(500)))", SPOILT + " exception"),
    wire("wire-error-empty", "send(frame(b'E', b''))", SPOILT + " exception"),
    wire("wire-empty", "send(frame(b'R', b''))"),
    wire("wire-short-body", "send(frame(b'R', b'123'))"),
    wire("wire-inner-length-too-long", "send(frame(b'R', struct.pack('>I', 1 << 31) + b'[1,[]]'))"),
    wire("wire-outer-length-too-long", "send(frame(b'R', body('[1,[]]'), 0xFFFFFFFF))"),
    wire("wire-outer-length-never-filled", "send(frame(b'R', body('[1,[]]'), 100000)); time.sleep(60)", "timeout bad_output"),
    wire("wire-byte-by-byte", "[(send(b), time.sleep(0.02)) for b in [bytes([x]) for x in frame(b'R', body('[' + '1' * 500 + ',[]]'))]]", "timeout bad_output"),
    wire("wire-half-a-header", "send(b'R\\0')"),
    wire("wire-junk", "send(os.urandom(5000))", SPOILT + " exception"),
    wire("wire-flood-of-answers", "answer('\"' + 'x' * (1 << 24) + '\"')"),
    wire("wire-constant-nan", "answer('NaN')"),
    wire("wire-constant-infinity", "answer('[-Infinity]')"),
    wire("wire-number-too-large", "answer('1e999')", SPOILT + " ok"),
    wire("wire-number-of-digits", "answer('9' * 1000000)"),
    wire("wire-exponent", "answer('1e-' + '9' * 3000)", SPOILT + " ok"),
    wire("wire-nested-lists", "answer('[' * 500000 + ']' * 500000)"),
    wire("wire-nested-open", "answer('[' * 1000000)"),
    wire("wire-runs-of-digits", "answer('[' + ','.join(['9' * 4299] * 230) + ']')", LOOSE),
    wire("wire-runs-of-zeros", "answer('[' + ','.join(['1e' + '0' * 4299] * 230) + ']')", LOOSE),
    wire("wire-long-fractions", "answer('[' + ','.join(['0.' + '1' * 4299] * 230) + ']')", LOOSE),
    wire("wire-quotes-without-end", "answer('[' * 80 + chr(34) + (chr(92) + chr(34)) * 450000)"),
    wire("wire-backslashes-without-end", "answer('[' * 80 + chr(34) + chr(92) * 900001)"),
    wire("wire-quotes-only", "answer('[' * 80 + chr(34) * 900001)"),
    wire("wire-many-lines", "answer('[' * 80 + (chr(34) + chr(10)) * 400001)"),
    wire("wire-nested-objects", "answer('{\"d\":' * 150000 + '1' + '}' * 150000)"),
    wire("wire-many-parts", "answer('[' + '0,' * 290000 + '0]')", LOOSE),
    wire("wire-duplicate-keys", "answer('{\"d\":{\"a\":1,\"a\":2}}')", LOOSE),
    wire("wire-unknown-mark", "answer('{\"q\":1}')"),
    wire("wire-two-marks", "answer('{\"t\":[1],\"s\":[1]}')"),
    wire("wire-no-mark", "answer('{}')"),
    wire("wire-mark-of-float", "answer('{\"f\":\"1e9\"}')"),
    wire("wire-float-of-a-list", "answer('{\"f\":[]}')"),
    wire("wire-tuple-of-a-number", "answer('{\"t\":5}')"),
    wire("wire-tuple-of-a-text", "answer('{\"t\":\"abc\"}')", SPOILT + " ok"),
    wire("wire-set-of-lists", "answer('{\"s\":[[1],[2]]}')"),
    wire("wire-set-of-a-text", "answer('{\"s\":\"abc\"}')", SPOILT + " ok"),
    wire("wire-keys-unhashable", "answer('{\"m\":[[[1]],[1]]}')"),
    wire("wire-keys-of-tuples-of-lists", "answer('{\"m\":[[{\"t\":[[1]]}],[1]]}')"),
    wire("wire-keys-of-arrays", "answer('{\"m\":[[{\"a\":0}],[1]]}', '[[\"<f8\",[1]]]', bytes(8))"),
    wire("wire-keys-uneven", "answer('{\"m\":[[1,2],[1]]}')"),
    wire("wire-keys-that-collide", "answer('{\"m\":[[%s],[%s]]}' % (','.join(str(i * (2 ** 61 - 1)) for i in range(4000)), ','.join(['0'] * 4000)))"),
    wire("wire-set-that-collides", "answer('{\"s\":[%s]}' % ','.join(str(i * (2 ** 61 - 1)) for i in range(4000)))"),
    wire("wire-tuples-that-collide", "answer('{\"s\":[%s]}' % ','.join('{\"t\":[%d,0]}' % (i * (2 ** 61 - 1)) for i in range(2500)))"),
    wire("wire-complex-of-texts", "answer('{\"c\":[\"a\",\"b\"]}')"),
    wire("wire-complex-too-large", "answer('{\"c\":[' + '9' * 2000 + ',1]}')"),
    wire("wire-surrogates", "answer('\"\\\\ud800\"')"),
    wire("wire-surrogate-keys", "answer('{\"d\":{\"\\\\ud800\":1}}')"),
    wire("wire-not-unicode", "send(frame(b'R', body(b'[\"\\xff\\xfe\",[]]')))"),
    wire("wire-byte-order-mark", "send(frame(b'R', body('[1,[]]'.encode('utf-16'))))"),
    wire("wire-array-of-objects", "answer('{\"a\":0}', '[[\"|O\",[1]]]', bytes(8))"),
    wire("wire-array-of-text", "answer('{\"a\":0}', '[[\"<U2\",[1]]]', bytes(8))"),
    wire("wire-array-of-records", "answer('{\"a\":0}', '[[\"i4,O\",[1]]]', bytes(12))"),
    wire("wire-array-of-a-list", "answer('{\"a\":0}', '[[[[\"a\",\"O\"]],[1]]]', bytes(8))"),
    wire("wire-array-too-short", "answer('{\"a\":0}', '[[\"<f8\",[1000]]]', bytes(8))"),
    wire("wire-array-too-long", "answer('{\"a\":0}', '[[\"<f8\",[1]]]', bytes(64))"),
    wire("wire-array-huge", "answer('{\"a\":0}', '[[\"<f8\",[1099511627775]]]', bytes(8))"),
    wire("wire-array-overflow", "answer('{\"a\":0}', '[[\"<f8\",[4294967296,4294967296]]]')"),
    wire("wire-array-of-nothing", "answer('{\"a\":0}', '[[\"<f8\",[0,1099511627775,1099511627775,1099511627775]]]')", SPOILT + " ok"),
    wire("wire-array-minus", "answer('{\"a\":0}', '[[\"<f8\",[-1]]]', bytes(8))"),
    wire("wire-array-shape-of-bools", "answer('{\"a\":0}', '[[\"<f8\",[true]]]', bytes(8))"),
    wire("wire-array-shape-of-floats", "answer('{\"a\":0}', '[[\"<f8\",[1.0]]]', bytes(8))"),
    wire("wire-array-many-axes", "answer('{\"a\":0}', '[[\"<f8\",[%s]]]' % ','.join(['1'] * 65), bytes(8))"),
    wire("wire-array-missing", "answer('{\"a\":5}')"),
    wire("wire-array-number-minus", "answer('{\"a\":-1}', '[[\"<f8\",[1]]]', bytes(8))"),
    wire("wire-array-number-true", "answer('{\"a\":false}', '[[\"<f8\",[1]]]', bytes(8))", SPOILT + " ok"),
    wire("wire-array-shared", "answer('[{\"a\":0},{\"a\":0}]', '[[\"<f8\",[1]]]', bytes(8))", SPOILT + " ok"),
    wire("wire-array-as-bytes", "answer('{\"b\":0}', '[[\"<f8\",[1]]]', bytes(8))"),
    wire("wire-arrays-by-thousands", "answer('1', '[' + ','.join(['[\"<f8\",[0]]'] * 8000) + ']')", SPOILT + " ok"),
    wire("wire-print-flood", "[send(frame(b'P', b'x' * 60000)) for _ in range(2000)]", LOOSE, after="return 2"),
    wire("wire-print-by-bytes", "[send(frame(b'P', b'x')) for _ in range(100000)]", LOOSE, after="return 2"),
    wire("wire-print-of-nothing", "[send(frame(b'P', b'') * 1000) for _ in range(300)]", LOOSE, after="return 2"),
    wire("wire-print-without-end", "\n            while True: send(frame(b'P', b'x' * 60000))", LOOSE),
    wire("wire-print-longer-than-told", "send(frame(b'P', b'x', 0xFFFFFFFF))", LOOSE),
    wire("wire-print-not-unicode", "send(frame(b'P', bytes(range(256))))", LOOSE, after="return 2"),
]  # fmt: skip
