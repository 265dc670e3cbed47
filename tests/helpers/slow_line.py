"""slow_line - hands connections on to a registry, each no faster than so many bytes per second.

    slow_line.py HOST:PORT BYTES_PER_SECOND

Listens on a free port of loopback and prints it; then, whenever more connections than ever before bring bytes at the
same time, how many.
"""
import asyncio
import sys

host, _, port = sys.argv[1].partition(":")
rate = float(sys.argv[2])
BLOCK = 65536
busy = most = 0


async def up(reader, writer):
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def down(reader, writer):
    """Small answers pass at once: it is a narrow line, not a long one."""
    global busy, most
    clock = asyncio.get_running_loop().time
    due = 0.0
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()
        due = max(due, clock()) + len(data) / rate
        if len(data) < BLOCK // 8:
            continue
        busy += 1
        if busy > most:
            most = busy
            print(most, flush=True)
        await asyncio.sleep(due - clock())
        busy -= 1


async def on_client(reader, writer):
    behind_reader, behind_writer = await asyncio.open_connection(host, int(port), limit=BLOCK)
    ways = [asyncio.ensure_future(up(reader, behind_writer)), asyncio.ensure_future(down(behind_reader, writer))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    writer.close()
    behind_writer.close()


async def main():
    server = await asyncio.start_server(on_client, "127.0.0.1", 0, limit=BLOCK)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
