"""Writes fsum.json: hard sums and what Python's math.fsum makes of them.

Run it beside its output, `python3 fsum.py`; the output depends on nothing but this file. Doubles are
written as the 16 hex digits of their bits. A sum is null where the exact one rounds beyond the largest
double. fsum gives up when an intermediate sum overflows; the exact sum of fractions decides there, and
confirms fsum everywhere else.
"""

import json
import math
import random
import struct
from fractions import Fraction
from pathlib import Path

MAX = math.ldexp(2 - 2**-52, 1023)
TINY = math.ldexp(1, -1074)


def bits(x: float) -> str:
    return struct.pack(">d", x).hex()


def rounded(values: list[float]) -> float | None:
    try:
        exact = float(sum(map(Fraction, values), Fraction(0)))
    except OverflowError:
        return None
    try:
        assert math.fsum(values) == exact
    except OverflowError:
        pass
    return exact + 0.0


def cases():
    rng = random.Random(20240501)

    yield "nothing", []
    yield "zeros of both signs", [0.0, -0.0, -0.0]
    yield "minus zero alone", [-0.0]
    yield "ten tenths", [0.1] * 10
    yield "a small term among large ones", [1e16, 1.0, -1e16]
    yield "a large term that cancels", [1e100, 1.0, -1e100, 1e-100]
    yield "python's own example", [1e16, 1.0, 1e-16]
    yield "a tie goes down to even", [2.0**53, 1.0]
    yield "a tie goes up to even", [2.0**53 + 2, 1.0]
    yield "just above a tie", [2.0**53, 1.0, TINY]
    yield "just below a tie", [2.0**53 + 2, 1.0, -TINY]
    yield "a negative tie", [-(2.0**53), -1.0]
    yield "a tie far below", [1.0, 2.0**-53]
    yield "above a tie far below", [1.0, 2.0**-53, 2.0**-1000]
    yield "below a tie far below", [1.0 + 2.0**-52, 2.0**-53, -(2.0**-1000)]
    yield "a tie that only a double rounding misses", [1.0, 2.0**-53, 2.0**-106]
    yield "the smallest subnormals", [TINY] * 7
    yield "subnormals that cancel", [TINY * 5, -TINY * 3, -TINY]
    yield "subnormals that become normal", [math.ldexp(1, -1023)] * 2
    yield "the largest subnormal and one more", [math.ldexp(1, -1022) - TINY, TINY]
    yield "the largest", [MAX]
    yield "the largest and half an ulp", [MAX, math.ldexp(1, 970)]
    yield "the largest and just below half an ulp", [MAX, math.ldexp(1, 970), -TINY]
    yield "the largest, negative, and half an ulp", [-MAX, -math.ldexp(1, 970)]
    yield "twice 1e308", [1e308, 1e308]
    yield "an overflow on the way", [1e308, 1e308, -1e308]
    yield "an overflow on the way, many times", [MAX] * 50 + [-MAX] * 49
    yield "from end to end", [MAX, TINY, -MAX]
    yield "every power of two", [math.ldexp(1, e) for e in range(-1074, 1023)]
    yield "every power of two, signs in turn", [(-1) ** e * math.ldexp(1, e) for e in range(-1074, 1023)]
    yield "a borrow through all limbs", [math.ldexp(1, 1000), -TINY]
    yield "prices", [rng.randrange(1, 100_000) / 100 for _ in range(200)]

    for index in range(40):
        values = [rng.gauss(0, 1) * 10 ** rng.uniform(-3, 6) for _ in range(rng.randrange(1, 60))]
        yield f"mixed sizes {index}", values
    for index in range(40):
        values = []
        while len(values) < 20:
            (x,) = struct.unpack(">d", rng.randbytes(8))
            if math.isfinite(x):
                values.append(x)
        yield f"all exponents {index}", values
    for index in range(40):
        values = [rng.gauss(0, 1) * 2.0 ** rng.randrange(-60, 60) for _ in range(20)]
        values += [-x for x in values[:18]]
        rng.shuffle(values)
        yield f"near cancellation {index}", values
    for index in range(40):
        # A number with 53 bits, exactly half of its last bit, and sometimes a grain.
        head = rng.choice([-1, 1]) * math.ldexp(rng.randrange(2**52, 2**53), rng.randrange(-900, 900))
        half = math.ldexp(math.ulp(head), -1)
        grain = rng.choice([-1, 0, 0, 1]) * math.ldexp(half, -rng.randrange(1, 100))
        yield f"around a tie {index}", [head, rng.choice([-half, half]), grain]


def main() -> None:
    lines = []
    for name, values in cases():
        total = rounded(values)
        case = {
            "name": name,
            "values": [bits(x) for x in values],
            "sum": None if total is None else bits(total),
        }
        lines.append(json.dumps(case))
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    Path(__file__).with_name("fsum.json").write_text(text)


main()
