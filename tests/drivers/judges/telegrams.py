"""What dsmr_parser, which knows nothing of Gatehouse, makes of telegrams.

Reads a JSON list of telegrams, writes a JSON list: null for one that it refuses, else its numbers by OBIS code.
"""
import json
import sys

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

NAMES = {
    "ELECTRICITY_USED_TARIFF_1": "1.8.1",
    "ELECTRICITY_USED_TARIFF_2": "1.8.2",
    "ELECTRICITY_DELIVERED_TARIFF_1": "2.8.1",
    "ELECTRICITY_DELIVERED_TARIFF_2": "2.8.2",
    "CURRENT_ELECTRICITY_USAGE": "1.7.0",
    "CURRENT_ELECTRICITY_DELIVERY": "2.7.0",
    "INSTANTANEOUS_VOLTAGE_L1": "32.7.0",
}

parser = TelegramParser(telegram_specifications.V5)


def judge(text):
    try:
        telegram = parser.parse(text)
    except Exception:
        return None
    found = {}
    for name, code in NAMES.items():
        item = getattr(telegram, name, None)
        if item is not None and item.value is not None:
            found[code] = float(item.value)
    return found


json.dump([judge(text) for text in json.load(sys.stdin)], sys.stdout)
