"""Numbers as one reads them."""


def duration(seconds: float) -> str:
    """Three digits, in the unit that suits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale * 0.9995:
            return f"{digits(seconds / scale)} {unit}"
    return f"{digits(seconds * 1e6)} µs"


def digits(value: float) -> str:
    """Three digits that count, and no exponent."""
    if value == 0:
        return "0"
    places = 2
    while abs(value) >= 10 ** (3 - places) - 0.5 * 10**-places and places > 0:
        places -= 1
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:,.{places}f}"


def ratio(value: float) -> str:
    """Two decimals below 10, fewer above."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def megabytes(size: float) -> str:
    """Millions of bytes."""
    return f"{digits(size / 1e6)} MB"
