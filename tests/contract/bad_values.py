"""What no field may hold, by the kind of the field: raw JSON for bodies, raw text for queries."""

DEEP = 100_000
_FULL_WIDTH = f'"{chr(0xFF10) * 64}"'
SURROGATE = '"\\ud800"'
_ANY = [
    *("", "null", "true", "{}", "NaN", "Infinity", "-Infinity", SURROGATE, "01", "+1", "'1'"),
    "[" * DEEP,
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP,
]
NESTED = ["[" * depth + "]" * depth for depth in range(850, 1100)]
"""Every depth around the one where the parser refuses: who walks the value must not break."""
_INTEGERS = ["[]", '"1"', '"\u0661"', '"NaN"', "1.0", "1.5", "1e3", "1e400", "-1", str(10**30)]
_TEXTS = ["[]", "1", '""', f'"{"x" * 201}"', f'"{"x" * 60_000}"']
_SHARES = [*_ANY, *_INTEGERS, "0", str(10**9 + 1), str(2**31), str(2**63)]

JSON = {
    "name": [*_ANY, *_TEXTS],
    "trade type": [*_ANY, *_TEXTS, '"hold"', '"BUY"', '"buy "', '"b\\u0000uy"', '["buy"]'],
    "quantity": _SHARES,
    "number": [*_ANY, *_INTEGERS, "0", str(2**63), str(-(2**63))],
    "place": [*_ANY, *_INTEGERS, str(2**63)],
    "id": [*_ANY, *_INTEGERS, "0", "10001", str(2**63)],
    "port": [*_ANY, *_INTEGERS, "0", "65536", str(2**63)],
    "uuid": [*_ANY, *_TEXTS, '"12345"', f'"{"g" * 36}"', f'"{{{"0" * 34}}}"'],
    "digest": [*_ANY, *_TEXTS, f'"{"A" * 64}"', f'"{"0" * 63}"', _FULL_WIDTH],
    "price": [
        *(*_ANY, '""', '"x"', '"NaN"', '"sNaN"', '"-Infinity"', "0", "-0.0", '"0"', "-1", "1e400"),
        *(str(10**11), str(10**30), "1e-5", "0.00001", '"1e999999999"', '"1e-999999999"', "[1]"),
    ],
    "host": [*_ANY, "[]", "1", '""', f'"{"x" * 254}"', '"a b"', '"x\\ny"', '"\\u0000"'],
    "list": [raw for raw in _ANY if raw] + ["[null]", "[[]]", "[{}]", "1", '""'],
    "filled list": [*_ANY, "[]", "[null]", "[[]]", "[{}]", "1", '""'],
    "seconds": [*_ANY, "[]", '"1"', "-1", "61", "1e400"],
    "moment": [*_ANY, "[]", '"1"', "-1", "1e400"],
    "signal": [*_ANY, *_TEXTS, '"STOP"', '"kill"', '["KILL"]'],
    "truth": ["", "null", "{}", "NaN", "1", "0", '"true"', "[]", SURROGATE],
    "object": [*_ANY, "[]", "1", '"x"'],
}

_WORDS = ["", "%20", "%00", "x" * 201, "x" * 50_000]
_DIGITS = [
    *("", "-1", "%2B1", "1.5", "1e3", "NaN", "Infinity", "0x1", "1_0", "true", "[]", "%D9%A1"),
    *("%EF%BC%91", "1%00", "%201", "1%20", str(2**63), str(10**30), "9" * 5000),
]
QUERY = {
    "query name": [*_WORDS, "a%00b", "%FF", "%ED%A0%80", "NoSuchCo"],
    "query cached name": [*_WORDS, "a%00b"],
    "query trade type": [*_WORDS, "hold", "BUY", "%FF"],
    "query number": [*_DIGITS, "0"],
    "query place": _DIGITS,
    "query page size": [*_DIGITS, "0", "201"],
    "optional text": ["%20", "x" * 201, "x" * 50_000, "a%00b"],
    "optional trade type": ["%20", "hold", "BUY", "%FF", "x" * 50_000],
    "optional number": [*filter(None, _DIGITS), "0"],
    "optional page size": [*filter(None, _DIGITS), "0", "201"],
    "query quantity": [*_DIGITS, "0", str(10**9 + 1)],
}

JSON["uuid or null"] = [raw for raw in JSON["uuid"] if raw != "null"]

BODIES = {
    "empty": b"",
    "blank": b"  ",
    "null": b"null",
    "an array": b"[]",
    "an array of objects": b"[{}]",
    "a string": b'"x"',
    "a number": b"1",
    "cut": b"{",
    "not a number": b"NaN",
    "null bytes": b"\0\0",
    "not UTF-8": b"\xff\xfe{}",
    "not UTF-8 inside": b'{"stock_name": "\xff"}',
    "UTF-16": '{"quantity": 1}'.encode("utf-16"),
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "a lone surrogate": b'{"\\udfff": 1}',
    "a form": b"stock_name=MenhirCo&trade_type=buy&quantity=1",
}
CONTENT_TYPES = (
    *("", "text/plain", "application/x-www-form-urlencoded", "application/xml", "json", "\0"),
    *("multipart/form-data; boundary=x", "application/jsonx", "application/json/x", "\u00e9"),
)
HUGE = b"x" * (10 * 1024 * 1024)
