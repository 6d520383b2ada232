"""A Modbus server of pymodbus, which knows nothing of Gatehouse, as the far end of a bus.

    modbus_server.py serial DEVICE
    modbus_server.py tcp PORT

Unit 1 has coils 0 to 9 (all off), discrete inputs 0 to 9 (on, off, on, ...), holding registers 0 to 9 with 100 to 109, and
an input register 0 with the float 230.1. It says `ready` and serves until it is killed.
"""
import asyncio
import struct
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

high, low = struct.unpack(">HH", struct.pack(">f", 230.1))
unit = SimDevice(
    id=1,
    simdata=(
        [SimData(0, values=[False] * 10, datatype=DataType.BITS)],
        [SimData(0, values=[True, False] * 5, datatype=DataType.BITS, readonly=True)],
        [SimData(0, values=[100 + at for at in range(10)], datatype=DataType.REGISTERS)],
        [SimData(0, values=[high, low], datatype=DataType.REGISTERS, readonly=True)],
    ),
)


async def main():
    kind, where = sys.argv[1:]
    if kind == "serial":
        server = ModbusSerialServer(unit, framer=FramerType.RTU, port=where, baudrate=115200)
    else:
        server = ModbusTcpServer(unit, address=("127.0.0.1", int(where)))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
