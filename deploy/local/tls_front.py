"""TLS in front of a plain HTTP port on this machine: the local ClickHouse is a library without HTTPS of its own.

For: deploy/local/clickhouse.py, which runs it as a thread, so that it lives, hangs and dies with the server. Bytes
go through as they are; a server that cannot be reached closes the connection.
It also listens on 127.0.0.2, an address that its certificate does not name: what a client says to that can be seen.

Not for: production, where ClickHouse speaks TLS itself (`https_port`).
"""

import asyncio
import ssl

PIECE = 1 << 16

# How long an answer is waited for whose request could not be passed on.
ANSWER_SECONDS = 5


async def pour(reader, writer):
    """Passes on what comes until its end."""
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()


def serve(port, certificate, key, plain_port):
    """Listens until the process ends; raises if it cannot begin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)

    async def connected(reader, writer):
        writers = [writer]
        try:
            plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", plain_port)
            writers.append(plain_writer)
            ways = [asyncio.create_task(pour(reader, plain_writer)), asyncio.create_task(pour(plain_reader, writer))]
            # HTTP has no half-closed connections: when one side has ended, so has the other.
            ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            asked, answered = ways
            if asked in ended and asked.exception():
                # A server that refuses a request may close before it has read all of it; its answer has come.
                await asyncio.wait([answered], timeout=ANSWER_SECONDS)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for one in writers:
                one.close()

    async def listen():
        # A refused handshake is the client's to tell.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(connected, ["127.0.0.1", "127.0.0.2"], port, ssl=context)
        await server.serve_forever()

    asyncio.run(listen())
