"""python-hl7's own MLLP server: parses each message, acknowledges it and keeps nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server


async def _converse(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    writer.close()


async def main(port: int) -> None:
    """Serve on the loopback until ended."""
    async with await start_hl7_server(_converse, "127.0.0.1", port, encoding="utf-8") as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
