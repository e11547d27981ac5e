#!/usr/bin/env python3
"""Prints the load profile of an 8650 meter from a point in time on, over Modbus/TCP.

usage: load_profile.py HOST PORT RECORDER SECONDS [SOURCES]

RECORDER is the data recorder's module number, SECONDS a time (UTC, since 1970), SOURCES how many sources the
recorder has (12 if left out). The first record at that time or after it is found by binary search. Each record
is a line: number;seconds;microseconds;value;value;...

Nothing but Python's standard library and the meter's register map is needed: select the recorder with 43001 and a
record with 43002-3; read oldest and newest in 43008-11, the record in 43012 and after it.
"""

import socket
import struct
import sys


class Refused(Exception):
    """The meter has answered with an exception code."""


class Meter:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.transaction = 0

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise OSError("the meter has hung up")
            data += more
        return data

    def ask(self, pdu):
        self.transaction = (self.transaction + 1) & 0xFFFF
        self.socket.sendall(struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, 1) + pdu)
        transaction, protocol, length, unit = struct.unpack(">HHHB", self.receive(7))
        answer = self.receive(length - 1)
        if (transaction, protocol, unit) != (self.transaction, 0, 1):
            raise OSError("an answer to something else")
        if answer[0] & 0x80:
            raise Refused(answer[1])
        return answer[1:]

    def write_one(self, register, value):
        self.ask(struct.pack(">BHH", 6, register - 40001, value))

    def write_long(self, register, value):
        self.ask(struct.pack(">BHHBi", 16, register - 40001, 2, 4, value))

    def read(self, register, count):
        answer = self.ask(struct.pack(">BHH", 3, register - 40001, count))
        return answer[1:1 + 2 * count]

    def range(self):
        return struct.unpack(">ii", self.read(43008, 4))

    def time(self, number):
        self.write_long(43002, number)
        found, seconds, micros = struct.unpack(">iII", self.read(43012, 6))
        if found != number:
            raise OSError("asked for record %d, got %d" % (number, found))
        return seconds + micros / 1e6

    def record(self, number, sources):
        self.write_long(43002, number)
        data = self.read(43012, 6 + 2 * sources)
        found, seconds, micros = struct.unpack(">iII", data[:12])
        if found != number:
            raise OSError("asked for record %d, got %d" % (number, found))
        return seconds, micros, struct.unpack(">%df" % sources, data[12:])


def first_at(meter, wanted):
    """The number of the first record at a time or after it, how many were looked at, and the newest number."""
    oldest, newest = meter.range()
    low, high, looked_at = oldest, newest + 1, 0
    while low < high:
        middle = (low + high) // 2
        looked_at += 1
        if meter.time(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low, looked_at, newest


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    meter = Meter(sys.argv[1], int(sys.argv[2]))
    sources = int(sys.argv[5]) if len(sys.argv) == 6 else 12
    meter.write_one(43001, int(sys.argv[3]))
    first, looked_at, newest = first_at(meter, float(sys.argv[4]))
    sys.stderr.write("found in %d steps\n" % looked_at)
    for number in range(first, newest + 1):
        seconds, micros, values = meter.record(number, sources)
        print(";".join([str(number), str(seconds), str(micros)] + ["%.9g" % value for value in values]))


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit("the meter refuses: exception %s" % refused)
