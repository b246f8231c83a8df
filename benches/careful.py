#!/usr/bin/env python3
"""Delivers the contacts of an outbox as a careful script would. The benchmark measures it beside the drains.

    PLATFORM_TOKEN=... careful.py DATABASE_URL PLATFORM_URL

Each lane has a task of its own. It locks up to a hundred pending rows, posts them while it holds the locks, and
writes what became of each row in the same transaction. No batch holds two numbers that the platform would mask
alike. There is no journal: where the script dies between the answer and its commit, the same contacts are sent
again. It knows the platform's default options and contacts without
not_before only, waits where the platform asks it to, and ends when nothing is pending.

Exit codes: 0 nothing is pending any more; 1 it failed; 3 a library is not installed.
"""

import asyncio
import json
import os
import sqlite3
import sys
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, unquote, urlsplit

BATCH = 100
CONNECTIONS = 8
COLUMNS = (
    "id phone name email company sex sort source_id industry_id grade_id components custom_vars extra"
    " sub_user_id control_select_robot"
).split()
JSON_COLUMNS = {"components", "custom_vars"}

LANES = "SELECT DISTINCT user_id, task_id FROM contact_outbox WHERE status = 'pending'"
# By the index of what is due at once; the benchmark's contacts have no not_before.
READ = f"SELECT {', '.join(COLUMNS)} FROM contact_outbox WHERE status = 'pending' AND not_before IS NULL"


def needed(name):
    """Imports a library, or ends with what is missing."""
    try:
        return __import__(name)
    except ImportError:
        print(f"there is no {name} for {sys.executable}", file=sys.stderr)
        sys.exit(3)


class Postgres:
    """Row locks of PostgreSQL."""

    def __init__(self, url):
        self.url, self.driver = urlsplit(url), needed("asyncpg")

    async def open(self):
        url, options = self.url, parse_qs(self.url.query)
        self.pool = await self.driver.create_pool(
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            host=options.get("host", [url.hostname])[0],
            port=url.port or 5432,
            user=unquote(url.username or "postgres"),
            password=unquote(url.password or ""),
            database=url.path.lstrip("/"),
        )

    async def lanes(self):
        return [tuple(row) for row in await self.pool.fetch(LANES)]

    @asynccontextmanager
    async def batch(self, lane):
        async with self.pool.acquire() as session, session.transaction():
            read = READ + " AND user_id = $1 AND task_id = $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED"
            rows = await session.fetch(read, *lane, BATCH)
            yield [dict(row) for row in rows], lambda *ends: self.settle(session, *ends)

    async def settle(self, session, succeeded, failed):
        await session.execute(
            "UPDATE contact_outbox SET status = 'succeeded', attempts = attempts + 1,"
            " finished_at = clock_timestamp() WHERE id = ANY ($1)",
            succeeded,
        )
        if failed:
            await session.execute(
                "UPDATE contact_outbox AS c SET status = 'failed', fail_kind = 'rejected', fail_cause = f.cause,"
                " attempts = attempts + 1, finished_at = clock_timestamp()"
                " FROM unnest($1::bigint[], $2::text[]) AS f (id, cause) WHERE c.id = f.id",
                [row for row, _ in failed],
                [cause for _, cause in failed],
            )


class MySql:
    """Row locks of MySQL or MariaDB."""

    def __init__(self, url):
        self.url, self.driver = urlsplit(url), needed("aiomysql")

    async def open(self):
        url, options = self.url, parse_qs(self.url.query)
        self.pool = await self.driver.create_pool(
            minsize=CONNECTIONS,
            maxsize=CONNECTIONS,
            unix_socket=options.get("socket", [None])[0],
            host=url.hostname or "localhost",
            port=url.port or 3306,
            user=unquote(url.username or "root"),
            password=unquote(url.password or ""),
            db=url.path.lstrip("/"),
            charset="utf8mb4",
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )

    async def lanes(self):
        async with self.pool.acquire() as session, session.cursor() as cursor:
            await cursor.execute(LANES)
            return list(await cursor.fetchall())

    @asynccontextmanager
    async def batch(self, lane):
        async with self.pool.acquire() as session:
            await session.begin()
            try:
                async with session.cursor(self.driver.DictCursor) as cursor:
                    read = READ + " AND user_id = %s AND task_id = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
                    await cursor.execute(read, (*lane, BATCH))
                    yield await cursor.fetchall(), lambda *ends: self.settle(cursor, *ends)
                await session.commit()
            except BaseException:
                await session.rollback()
                raise

    async def settle(self, cursor, succeeded, failed):
        await cursor.execute(
            "UPDATE contact_outbox SET status = 'succeeded', attempts = attempts + 1,"
            " finished_at = utc_timestamp(6) WHERE id IN %s",
            (succeeded or [0],),
        )
        for row, cause in failed:
            await cursor.execute(
                "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected', fail_cause = %s,"
                " attempts = attempts + 1, finished_at = utc_timestamp(6) WHERE id = %s",
                (cause, row),
            )


class Sqlite:
    """SQLite locks no rows: the lane's task is the only one that reads them."""

    def __init__(self, url):
        self.path = url.removeprefix("sqlite://")
        self.turn = asyncio.Lock()

    async def open(self):
        self.session = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=15)
        self.session.row_factory = sqlite3.Row
        self.session.execute("PRAGMA synchronous = FULL")

    async def lanes(self):
        return [tuple(row) for row in self.session.execute(LANES)]

    @asynccontextmanager
    async def batch(self, lane):
        read = READ + " AND user_id = ? AND task_id = ? ORDER BY id LIMIT ?"
        async with self.turn:
            rows = await asyncio.to_thread(lambda: self.session.execute(read, (*lane, BATCH)).fetchall())
        yield [dict(row) for row in rows], self.settle

    async def settle(self, succeeded, failed):
        now = "finished_at = strftime('%Y-%m-%d %H:%M:%f', 'now')"

        def write():
            self.session.execute("BEGIN IMMEDIATE")
            self.session.executemany(
                f"UPDATE contact_outbox SET status = 'succeeded', attempts = attempts + 1, {now} WHERE id = ?",
                [(row,) for row in succeeded],
            )
            self.session.executemany(
                "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected', fail_cause = ?,"
                f" attempts = attempts + 1, {now} WHERE id = ?",
                [(cause, row) for row, cause in failed],
            )
            self.session.execute("COMMIT")

        async with self.turn:
            await asyncio.to_thread(write)


def ends(number):
    """What the platform's mask shows of a number."""
    return number[:3], number[-4:]


def composed(rows):
    """Those of the rows that no mask could confuse, by what a mask shows."""
    batch = {}
    for row in rows:
        batch.setdefault(ends(row["phone"]), row)
    return batch


def entry(row):
    """A row as the platform wants it."""
    filled = {name: value for name, value in row.items() if value is not None and name != "id"}
    for name in JSON_COLUMNS & filled.keys():
        if isinstance(filled[name], str):
            filled[name] = json.loads(filled[name])
    return filled


async def post(http, url, rows):
    """The platform's answer. Asks again where the platform wants to be asked later."""
    body = {"ignore_crm": False, "skip_error": True, "number_add_suffix": False, "encryption": False}
    body["data"] = [entry(row) for row in rows]
    while True:
        async with http.post(url, json=body) as answer:
            if answer.status == 429 or answer.status >= 500:
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
                continue
            told = await answer.json(content_type=None)
        if answer.status != 200 or told.get("code") != 200:
            raise RuntimeError(f"the platform refused a batch: {answer.status} {told.get('code')}")
        return told["data"] or {}


async def deliver(lane, database, http, platform):
    """Delivers a lane until nothing is pending in it."""
    url = f"{platform.rstrip('/')}/agent-api/user/{lane[0]}/task/{lane[1]}/number"
    while True:
        async with database.batch(lane) as (rows, settle):
            if not rows:
                return
            batch = composed(rows)
            data = await post(http, url, batch.values())
            failed = []
            for refused in data.get("fail_datas") or []:
                row = batch.pop(ends(refused["fail_data"]))
                failed.append((row["id"], refused["fail_cause"]))
            if int(data.get("taskNumberCount", len(batch))) != len(batch):
                raise RuntimeError("the platform's counts do not add up")
            await settle([row["id"] for row in batch.values()], failed)


async def main(database_url, platform):
    kind = database_url.split(":", 1)[0]
    kinds = {"postgres": Postgres, "postgresql": Postgres, "mysql": MySql, "mariadb": MySql, "sqlite": Sqlite}
    aiohttp = needed("aiohttp")
    database = kinds[kind](database_url)
    await database.open()
    headers = {"Authorization": "Bearer " + os.environ["PLATFORM_TOKEN"], "Accept": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        lanes = await database.lanes()
        await asyncio.gather(*(deliver(lane, database, http, platform) for lane in lanes))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
