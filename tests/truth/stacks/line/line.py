"""A line to db-east: what the database sends arrives two seconds later, in order."""

import asyncio

LATE = 2.0


async def pass_on(reader, writer, late=0.0):
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            loop.call_later(late, writer.write, data)
        await asyncio.sleep(late)
    except OSError:
        pass
    writer.close()


async def serve(reader, writer):
    try:
        behind = await asyncio.open_connection("db-east", 5432)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer, LATE))


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 5432)
    await server.serve_forever()


asyncio.run(main())
