"""Numbers from 1 to 9,999 in English and German words."""

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ENGLISH += [f"{start}teen" for start in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
GERMAN = ["null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
GERMAN += [f"{start}zehn" for start in ("drei", "vier", "fünf", "sech", "sieb", "acht", "neun")]
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()  # noqa: SIM905


def english(number: int) -> str:
    """As in `six thousand two hundred forty five`."""
    words = []
    for size, name in ((1_000, "thousand"), (100, "hundred")):
        if number >= size:
            words += [ENGLISH[number // size], name]
            number %= size
    if number >= 20:
        words.append(ENGLISH_TENS[number // 10 - 2])
        number %= 10
    return " ".join([*words, ENGLISH[number]] if number else words)


def german(number: int) -> str:
    """As in `sechs tausend zwei hundert fünf und vierzig`, with spaces between the parts of the word."""
    words = []
    for size, name in ((1_000, "tausend"), (100, "hundert")):
        if number >= size:
            words += [GERMAN[number // size], name]
            number %= size
    if number >= 20:
        units = [GERMAN[number % 10], "und"] if number % 10 else []
        words += [*units, GERMAN_TENS[number // 10 - 2]]
    elif number:
        words.append(GERMAN[number])
    return " ".join(words)
