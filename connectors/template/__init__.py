"""What `shipdeck connector new` writes: a connector for an invented platform, its twin, its kit, a sample and a test.

They are ordinary modules, checked like all others; `newshop` and `Newshop` in them become the new connector's name.
"""
