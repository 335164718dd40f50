#!/usr/bin/env python3
"""Writes numbering.txt: which beginnings national numbers have, by calling code and length.

It samples the metadata of libphonenumber (https://github.com/google/libphonenumber, Apache-2.0), which collects the plans of
the national regulators: pip install phonenumbers, then: python3 numbering.py > numbering.txt
"""
import random
import re

import phonenumbers

SAMPLES = 80


def patterns(metadata):
    """The plans of fixed and mobile numbers and of services that people are reached by, with their lengths."""
    for kind in (metadata.fixed_line, metadata.mobile, metadata.voip, metadata.personal_number, metadata.toll_free,
                 metadata.shared_cost, metadata.uan):
        if kind and kind.national_number_pattern:
            lengths = kind.possible_length or metadata.general_desc.possible_length
            for length in lengths:
                if 5 <= length <= 13:
                    yield length, re.compile(kind.national_number_pattern)


def starts(pattern, length, random):
    """The beginnings of three digits that a plan has."""
    for start in range(1000):
        for _ in range(SAMPLES):
            rest = "".join(random.choices("0123456789", k=length - 3))
            if pattern.fullmatch(f"{start:03}{rest}"):
                yield start
                break


def ranges(numbers):
    """150 151 152 7 becomes 007 150-152."""
    runs = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{a:03}" if a == b else f"{a:03}-{b:03}" for a, b in runs)


def main():
    draw = random.Random(1)
    for code, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items(), key=lambda item: str(item[0])):
        plan = {}
        for region in regions:
            metadata = (phonenumbers.PhoneMetadata.metadata_for_nongeo_region(code, None) if region == "001"
                        else phonenumbers.PhoneMetadata.metadata_for_region(region, None))
            for length, pattern in patterns(metadata):
                plan.setdefault(length, set()).update(starts(pattern, length, draw))
        for length, numbers in sorted(plan.items()):
            if numbers:
                print(f"{code} {length}: {ranges(numbers)}")


main()
