async def test_a(sqlite_world):
    w = sqlite_world
    _o, s = await w.take("shipped")
    print(await w.at(s), await w.history(s), w.asked(s))
    await w.healthy()
async def test_b(sqlite_world):
    w = sqlite_world
    _o, s = await w.take("to_print")
    print(await w.at(s))
async def test_c(either_world):
    w = either_world
    _o, s = await w.take("shipped")
    print(await w.at(s))
    await w.healthy()
